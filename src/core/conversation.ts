import { randomUUID } from 'node:crypto'
import type { Log } from './define.ts'
import type { Message, Place } from './message.ts'
import type { Notices } from './notices.ts'
import type { Outbox } from './outbox.ts'
import type { PermissionAnswer, PermissionMode, Provider, StopReason, Turn, TurnEvent } from './provider.ts'
import type { InboxRow, Store } from './store.ts'
import type { Transport } from './transport.ts'
import { emptyView, fold, type View } from './view.ts'

/** How an agent answers: on which CLI, where, with what leave. */
export interface Agent {
  readonly provider: Provider
  readonly providerName: string
  /** Absolute path of the folder that the CLI works in. */
  readonly workspace: string
  readonly model?: string
  readonly permissionMode: PermissionMode
}

export interface ConversationDeps {
  readonly store: Store
  readonly outbox: Outbox
  readonly notices: Notices
  readonly agent: Agent
  readonly transport: Transport | undefined
  readonly log: Log
  readonly now: () => number
  /** Writes until the disk takes it. */
  readonly keep: <T>(write: () => T) => Promise<T>
}

interface RunningTurn {
  readonly id: string
  readonly startedAt: number
  readonly abort: AbortController
  readonly ended: Promise<void>
  /** Permission requests that wait for an answer. */
  readonly asked: Set<string>
}

const typingEveryMs = 4000

/** One place: its turns, one at a time, in the order in which their messages came. */
export class Conversation {
  readonly #place: Place
  readonly #deps: ConversationDeps
  #running: RunningTurn | undefined
  #drained: Promise<void> = Promise.resolve()
  #working = false
  /** Something may have come since the round began. */
  #again = false
  #closing = false

  constructor(place: Place, deps: ConversationDeps) {
    this.#place = place
    this.#deps = deps
  }

  get busy(): boolean {
    return this.#working
  }

  get runningSince(): number | undefined {
    return this.#running?.startedAt
  }

  /** There may be something to do. */
  wake(): void {
    this.#again = true
    if (this.#working || this.#closing) return
    this.#working = true
    this.#drained = this.#untilQuiet()
  }

  /** Ends the running turn. Resolves when it has ended, with whether there was one. */
  async stop(): Promise<boolean> {
    const running = this.#running
    if (running === undefined) return false
    running.abort.abort()
    await running.ended
    return true
  }

  /** False: that request waits for no answer any more. */
  answer(turn: string, request: string, answer: PermissionAnswer): boolean {
    if (this.#running?.id !== turn || !this.#running.asked.delete(request)) return false
    return this.#deps.agent.provider.answer?.(turn, request, answer) ?? false
  }

  /** Begins no other turn; lets the running one end for so long, then leaves it to the next start. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    const limit = setTimeout(() => this.#running?.abort.abort(), graceMs)
    await this.#drained
    clearTimeout(limit)
  }

  async #untilQuiet(): Promise<void> {
    // A message that comes while a round ends asks for another one: between the last look and `working = false` nothing runs.
    while (this.#again && !this.#closing) {
      this.#again = false
      try {
        await this.#drain()
      } catch (error) {
        this.#deps.log.error({ err: error, place: this.#place.key }, 'a conversation stumbled')
      }
    }
    this.#working = false
  }

  async #drain(): Promise<void> {
    while (!this.#closing) {
      const row = this.#deps.store.nextQueued(this.#place.key)
      if (row?.inbound.kind !== 'message') return
      await this.#run(row, row.inbound)
    }
  }

  async #run(row: InboxRow, message: Message): Promise<void> {
    const { store, keep, now, agent } = this.#deps
    const id = randomUUID()
    const startedAt = now()
    await keep(() =>
      store.transaction(() => {
        store.startTurn({ id, place: this.#place, provider: agent.providerName, startedAt })
        store.setInboxState(row.seq, 'running', id)
        store.note({ seq: row.seq, turn: id }, 'turn started', `${agent.providerName}, turn ${id}`)
        this.#deps.notices.withdraw(queueKey(row.seq), this.#place)
      }),
    )
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const running: RunningTurn = { id, startedAt, abort: new AbortController(), ended, asked: new Set() }
    this.#running = running
    const typing = this.#showTyping()
    try {
      const view = await this.#follow(running, message)
      if (this.#closing && view.stop === 'cancelled') return
      await this.#end(running, row, message, view)
    } finally {
      clearInterval(typing)
      void this.#deps.transport?.typing?.(this.#place, false).catch(() => {
        // Typing goes by itself after some seconds.
      })
      this.#running = undefined
      resolve()
    }
  }

  /** Runs the turn and shows it as it goes; resolves with the last view. */
  async #follow(running: RunningTurn, message: Message): Promise<View> {
    const { agent, log } = this.#deps
    let view = emptyView
    let spoke = false
    try {
      for await (const event of agent.provider.run(this.#turn(running.id, message), running.abort.signal)) {
        if (matters(event)) await this.#deps.keep(() => this.#meet(running, event))
        const before = view
        view = fold(view, event)
        if (view.state === 'ended') continue
        if (!spoke && event.type === 'text') {
          spoke = true
          await this.#deps.keep(() => this.#deps.store.note({ turn: running.id }, 'first output'))
        }
        if (view !== before) this.#show(running.id, view, message, false)
      }
    } catch (error) {
      log.error({ err: error, turn: running.id, place: this.#place.key }, 'a provider threw')
      const wrong = 'ductor itself failed in this turn; the log says more. Your message was not run again.'
      view = fold(view, { type: 'turn.ended', stop: 'failed', error: wrong })
    }
    if (view.state === 'ended') return view
    const error = 'The agent ended without a word about how it ended.'
    return fold(view, { type: 'turn.ended', stop: 'failed', error })
  }

  #turn(id: string, message: Message): Turn {
    const { agent, store } = this.#deps
    const resume = store.session(this.#place.key, agent.providerName)
    return {
      id,
      place: this.#place,
      strand: '',
      prompt: message.text,
      attachments: message.attachments ?? [],
      cwd: agent.workspace,
      permissionMode: agent.permissionMode,
      ...(resume === undefined ? {} : { resume }),
      ...(agent.model === undefined ? {} : { model: agent.model }),
    }
  }

  /** What an event means beyond what is seen of it. */
  #meet(running: RunningTurn, event: TurnEvent): void {
    const { store, notices, agent } = this.#deps
    switch (event.type) {
      case 'session.started':
        store.setSession(this.#place.key, agent.providerName, event.sessionId)
        return
      case 'permission.requested': {
        running.asked.add(event.id)
        const permit = { do: 'permit', turn: running.id, request: event.id } as const
        notices.say({
          key: askKey(running.id, event.id),
          place: this.#place,
          turn: running.id,
          text: event.title,
          code: event.detail,
          offers: [
            { label: 'Allow', style: 'primary', action: { ...permit, allow: true, remember: false } },
            { label: 'Allow for this session', action: { ...permit, allow: true, remember: true } },
            { label: 'Deny', style: 'danger', action: { ...permit, allow: false, remember: false } },
          ],
        })
        return
      }
      case 'permission.withdrawn':
        if (running.asked.delete(event.id)) notices.close(askKey(running.id, event.id), 'not needed any more')
        return
      case 'text':
      case 'text.reset':
      case 'thinking':
      case 'tool':
      case 'plan':
      case 'question.asked':
      case 'notice':
      case 'turn.ended':
    }
  }

  async #end(running: RunningTurn, row: InboxRow, message: Message, view: View): Promise<void> {
    const { store, notices, keep } = this.#deps
    const shown = view.parts.length > 0 ? view : { ...view, parts: [silence(view.stop)] }
    await keep(() =>
      store.transaction(() => {
        for (const request of running.asked) notices.close(askKey(running.id, request), 'the turn has ended')
        store.endTurn(running.id, view.stop ?? 'failed')
        store.setInboxState(row.seq, 'done')
        store.note({ turn: running.id }, 'turn ended', view.stop)
        this.#show(running.id, shown, message, true)
      }),
    )
  }

  #show(turn: string, view: View, { messageId, group }: Message, final: boolean): void {
    this.#deps.outbox.show({
      key: turnKey(turn),
      place: this.#place,
      view,
      final,
      turn,
      ...(group ? { replyTo: messageId } : {}),
    })
  }

  #showTyping(): NodeJS.Timeout {
    const show = () =>
      void this.#deps.transport?.typing?.(this.#place, true).catch(() => {
        // A courtesy: the next one comes in a few seconds.
      })
    show()
    return setInterval(show, typingEveryMs).unref()
  }
}

/** Does the event change more than what is seen? */
function matters({ type }: TurnEvent): boolean {
  return type === 'session.started' || type === 'permission.requested' || type === 'permission.withdrawn'
}

/** What is said where a turn ended and left nothing to see. */
function silence(stop: StopReason | undefined): View['parts'][number] {
  return { kind: 'notice', text: stop === 'cancelled' ? 'Stopped.' : 'The agent finished without an answer.' }
}

export const turnKey = (turn: string) => `turn/${turn}`
export const queueKey = (seq: number) => `queue/${seq}`
export const askKey = (turn: string, request: string) => `ask/${turn}/${request}`
