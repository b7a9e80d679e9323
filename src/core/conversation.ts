import { randomUUID } from 'node:crypto'
import type { Agent } from './agent.ts'
import { answerOf, footerOf } from './answer.ts'
import { bring, type BringDeps } from './attachments.ts'
import { burst, mostOfBurst } from './burst.ts'
import { expired } from './freshness.ts'
import { gist } from './gist.ts'
import type { Attachment, Message, Place } from './message.ts'
import { promptOf, together, type Brought } from './prompt.ts'
import type { PermissionMode, Provider, Steered, StopReason, Turn, UnpromptedTurn } from './provider.ts'
import { RunningTurn, turnKey, type RunningTurnDeps } from './running-turn.ts'
import type { InboxRow } from './store.ts'
import type { Transport } from './transport.ts'
import type { Part, View } from './view.ts'

export interface ConversationDeps extends RunningTurnDeps {
  readonly agent: Agent
  readonly transport: Transport | undefined
  readonly now: () => number
}

/** What a person chose for a conversation, over what the agent's settings say. */
export interface Choices {
  readonly providerName: string
  readonly provider: Provider
  readonly model?: string
  readonly effort?: string
}

const typingEveryMs = 4000

/** One session of a place (its strand): its turns, one at a time, in the order in which their messages came. */
export class Conversation {
  readonly place: Place
  readonly strand: string
  readonly #deps: ConversationDeps
  #running: RunningTurn | undefined
  #drained: Promise<void> = Promise.resolve()
  /** Until the last turn that was begun has ended. */
  #last: Promise<void> = Promise.resolve()
  #working = false
  /** Something may have come since the round began. */
  #again = false
  #closing = false
  #rest: NodeJS.Timeout | undefined

  constructor(place: Place, strand: string, deps: ConversationDeps) {
    this.place = place
    this.strand = strand
    this.#deps = deps
  }

  /** Something runs, or is about to. */
  get busy(): boolean {
    return this.#working || this.#running !== undefined
  }

  get running(): RunningTurn | undefined {
    return this.#running
  }

  /** Nobody would miss it: it can be made again at any time. */
  get idle(): boolean {
    return !this.busy && this.#rest === undefined
  }

  get choices(): Choices {
    const { agent, store } = this.#deps
    const settings = agent.settings()
    const row = store.strand(this.place.key, this.strand)
    const chosen = row?.provider === undefined ? undefined : agent.providers.get(row.provider)
    const providerName = chosen === undefined ? settings.provider : (row?.provider ?? settings.provider)
    const provider = agent.providers.get(providerName)
    if (provider === undefined) throw new Error(`the agent has no provider ${providerName}`)
    const usual = providerName === settings.provider
    const model = row?.model ?? (usual ? settings.model : undefined)
    const effort = row?.effort ?? (usual ? settings.effort : undefined)
    return {
      providerName,
      provider,
      ...(model === undefined ? {} : { model }),
      ...(effort === undefined ? {} : { effort }),
    }
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
    await running.stop()
    return true
  }

  /** Puts a message into the running turn. */
  async steer(message: Message): Promise<Steered> {
    const running = this.#running
    if (running === undefined) return 'over'
    const brought = await bring(message, this.place, this.#bringing(), running.abort.signal)
    return running.steer(promptOf(message, brought), filesOf(brought))
  }

  /** A turn that the agent began by itself: it is shown like any other, and the next one waits for it. */
  hearUnprompted(turn: UnpromptedTurn): void {
    if (this.#closing) return turn.stop()
    void this.#alone(() => this.#followUnprompted(turn)).catch((error: unknown) => {
      this.#deps.log.error({ err: error, place: this.place.key }, 'a turn of its own accord stumbled')
    })
  }

  /** Begins no other turn; lets the running one end for so long, then leaves it to the next start. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    clearTimeout(this.#rest)
    const limit = setTimeout(() => this.#running?.abort.abort(), graceMs)
    await this.#drained
    await this.#last
    clearTimeout(limit)
  }

  /** One turn at a time, in the order in which they were begun. */
  #alone<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(run)
    this.#last = settled(mine)
    return mine
  }

  async #untilQuiet(): Promise<void> {
    // A message that comes while a round ends asks for another one: between the last look and `working = false` nothing runs.
    while (this.#again && !this.#closing) {
      this.#again = false
      try {
        await this.#drain()
      } catch (error) {
        this.#deps.log.error({ err: error, place: this.place.key }, 'a conversation stumbled')
      }
    }
    this.#working = false
  }

  async #drain(): Promise<void> {
    clearTimeout(this.#rest)
    this.#rest = undefined
    while (!this.#closing) if (!(await this.#alone(() => this.#next()))) return
  }

  /** Runs what is at the head of the queue. False: there is nothing to run now. */
  async #next(): Promise<boolean> {
    if (this.#closing) return false
    const queue = this.#deps.store.nextQueued(this.place.key, this.strand, mostOfBurst + 1)
    const { rows, waitMs } = burst(queue, this.#deps.now())
    if (rows.length === 0) return false
    if (waitMs > 0) {
      this.#rest = setTimeout(() => {
        this.#rest = undefined
        this.wake()
      }, waitMs)
      return false
    }
    await this.#attempt(rows)
    return true
  }

  /** A message that ductor itself cannot carry out is set aside after its last attempt, and the next one has its turn. */
  async #attempt(rows: readonly InboxRow[]): Promise<void> {
    const { store, keep, log, notices } = this.#deps
    const [first] = rows
    if (first === undefined) return
    const attempts = await keep(() =>
      store.transaction(() => Math.max(...rows.map(({ seq }) => store.countAttempt(seq)))),
    )
    try {
      if (attempts > mostAttempts) throw new Error('ductor ended each time that it was begun')
      await this.#run(rows)
    } catch (error) {
      log.error({ err: error, place: this.place.key, attempts }, 'a turn could not be begun')
      if (attempts < mostAttempts) return
      await keep(() =>
        store.transaction(() => {
          for (const { seq } of rows) {
            store.setInboxState(seq, 'dead')
            store.note({ seq }, 'set aside', `after ${attempts} attempts`)
            notices.withdraw(queueKey(seq), this.place)
          }
          notices.say({
            key: `dead/${first.seq}`,
            place: this.place,
            text: 'A message could not be carried out, however often ductor tried, and was set aside. The log says why.',
          })
        }),
      )
    }
  }

  async #run(rows: readonly InboxRow[]): Promise<void> {
    const { store, keep, now } = this.#deps
    const message = together(rows.flatMap(({ inbound }) => (inbound.kind === 'message' ? [inbound] : [])))
    if (message === undefined) return
    const choices = this.choices
    const id = randomUUID()
    const startedAt = now()
    const over = this.#sessionOver(choices.providerName)
    await keep(() =>
      store.transaction(() => {
        const { place, strand } = this
        store.startTurn({ id, place, strand, provider: choices.providerName, startedAt })
        if (over !== undefined) store.setSession(place, strand, choices.providerName, undefined)
        for (const { seq } of rows) {
          store.setInboxState(seq, 'running', id)
          store.note({ seq }, 'turn started', `${choices.providerName}, turn ${id}`)
          this.#deps.notices.withdraw(queueKey(seq), place)
        }
      }),
    )
    const running = this.#begin(id, startedAt, choices, message, preface(this.strand, over))
    try {
      this.#mark(message, 'working')
      const view = await this.#follow(running, choices, message)
      if (this.#closing && view.stop === 'cancelled') return
      await this.#end(running, choices, view)
      this.#mark(message, view.stop === 'failed' ? 'failed' : 'done')
    } finally {
      this.#over(running)
    }
  }

  #begin(
    id: string,
    startedAt: number,
    { provider, providerName }: Choices,
    message: Message | undefined,
    before: readonly Part[],
  ): RunningTurn {
    const facts = {
      id,
      place: this.place,
      strand: this.strand,
      provider,
      providerName,
      startedAt,
      permissionTimeoutMs: this.#deps.agent.settings().permissionTimeoutMs,
      preface: before,
      ...(message?.group === true ? { replyTo: message.messageId } : {}),
    }
    const running = new RunningTurn(facts, this.#deps)
    this.#running = running
    this.#showTyping(running)
    return running
  }

  #over(running: RunningTurn): void {
    if (this.#running === running) this.#running = undefined
    running.resolveEnded()
    void this.#deps.transport?.typing?.(this.place, false).catch(() => {
      // Typing goes by itself after some seconds.
    })
  }

  async #follow(running: RunningTurn, choices: Choices, message: Message): Promise<View> {
    const { signal } = running.abort
    const brought = await bring(message, this.place, this.#bringing(), signal)
    for (const { attachment, missing, unheard } of brought) {
      const wrong = missing ?? unheard
      if (wrong !== undefined) running.say(`${gist(attachment.name, 60)}: ${wrong}`)
    }
    if (signal.aborted) return running.follow(cancelled())
    const turn = await this.#turn(running.id, choices, message, brought)
    return running.follow(choices.provider.run(turn, signal))
  }

  #bringing(): BringDeps {
    const { transport, agent, log } = this.#deps
    return {
      log,
      ...(transport?.fetch === undefined ? {} : { fetch: transport.fetch.bind(transport) }),
      ...(agent.transcribe === undefined ? {} : { transcribe: agent.transcribe }),
    }
  }

  async #turn(
    id: string,
    { providerName, model, effort }: Choices,
    message: Message,
    brought: readonly Brought[],
  ): Promise<Turn> {
    const { agent, store } = this.#deps
    const resume = store.session(this.place.key, this.strand, providerName)?.id
    const instructions = resume === undefined ? await agent.instructions?.() : undefined
    const tools = agent.toolsFor?.(this.place, this.strand)
    return {
      id,
      place: this.place,
      strand: this.strand,
      prompt: promptOf(message, brought),
      attachments: filesOf(brought),
      cwd: agent.workspace,
      permissionMode: this.#permissionMode,
      ...(resume === undefined ? {} : { resume }),
      ...(instructions === undefined ? {} : { instructions }),
      ...(tools === undefined ? {} : { tools }),
      ...(model === undefined ? {} : { model }),
      ...(effort === undefined ? {} : { effort }),
    }
  }

  /** Where another agent asks, nobody is there who could give leave. */
  get #permissionMode(): PermissionMode {
    const { permissionMode } = this.#deps.agent.settings()
    const nobody = this.#deps.transport?.asksNobody === true
    return nobody && (permissionMode === 'ask' || permissionMode === 'plan') ? 'readOnly' : permissionMode
  }

  /** Why the session is not gone on with, if it is not. */
  #sessionOver(providerName: string): string | undefined {
    const { store, agent, now } = this.#deps
    const session = store.session(this.place.key, this.strand, providerName)
    return session === undefined ? undefined : expired(session, agent.settings().expiry, now())
  }

  async #end(running: RunningTurn, choices: Choices, ended: View): Promise<void> {
    const { store, notices, keep, agent, now } = this.#deps
    const settings = agent.settings()
    const { view, buttons } = await answerOf(ended, {
      access: settings.fileAccess,
      workspace: agent.workspace,
    })
    const parts = view.parts.some(({ kind }) => kind !== 'notice' || view.stop === 'failed')
      ? [...view.parts]
      : [...view.parts, silence(view.stop)]
    if (settings.footer && view.usage !== undefined) {
      const model = choices.model ?? choices.providerName
      parts.push({ kind: 'footer', text: footerOf(view.usage, { model, ms: now() - running.startedAt }) })
    }
    await keep(() =>
      store.transaction(() => {
        const key = turnKey(running.id)
        const offered = buttons.map((label) =>
          notices.offer(key, this.place, {
            label,
            action: { do: 'prompt', text: label, strand: this.strand },
          }),
        )
        store.endTurn(running.id, view.stop ?? 'failed')
        store.useSession(this.place.key, this.strand, choices.providerName, view.usage ?? {})
        for (const { seq } of store.inboundsOfTurn(running.id)) store.setInboxState(seq, 'done')
        store.note({ turn: running.id }, 'turn ended', view.stop)
        running.conclude({ ...view, parts, choices: offered })
      }),
    )
  }

  async #followUnprompted(turn: UnpromptedTurn): Promise<void> {
    const { id } = turn
    const { store, keep, now } = this.#deps
    const choices = this.choices
    const startedAt = now()
    await keep(() =>
      store.transaction(() => {
        const { place, strand } = this
        store.startTurn({ id, place, strand, provider: choices.providerName, startedAt })
        store.note({ turn: id }, 'turn started', `${choices.providerName}, by itself, turn ${id}`)
      }),
    )
    const running = this.#begin(id, startedAt, choices, undefined, preface(this.strand, undefined))
    running.abort.signal.addEventListener('abort', () => turn.stop(), { once: true })
    try {
      const view = await running.follow(turn.events)
      if (this.#closing && view.stop === 'cancelled') return
      await this.#end(running, choices, view)
    } finally {
      this.#over(running)
      this.wake()
    }
  }

  #mark(message: Message, how: 'working' | 'done' | 'failed'): void {
    void this.#deps.transport?.mark?.(this.place, message.messageId, how).catch(() => {
      // A courtesy.
    })
  }

  #showTyping(running: RunningTurn): void {
    const show = () =>
      void this.#deps.transport?.typing?.(this.place, true).catch(() => {
        // A courtesy: the next one comes in a few seconds.
      })
    show()
    const timer = setInterval(show, typingEveryMs).unref()
    void running.ended.then(() => clearInterval(timer))
  }
}

const mostAttempts = 3

/** What stands before the answer: whose it is, and that an earlier session is over. */
function preface(strand: string, over: string | undefined): readonly Part[] {
  const parts: Part[] = []
  if (strand !== '') parts.push({ kind: 'notice', text: `@${strand}` })
  if (over !== undefined)
    parts.push({
      kind: 'notice',
      text: `A new conversation begins: ${over}. /resume lists the earlier ones.`,
    })
  return parts
}

function filesOf(brought: readonly Brought[]): readonly Attachment[] {
  return brought.flatMap(({ attachment }) => (attachment.path === undefined ? [] : [attachment]))
}

/** Resolves when the other has, however it ended. */
async function settled(promise: Promise<unknown>): Promise<void> {
  await Promise.allSettled([promise])
}

async function* cancelled() {
  yield { type: 'turn.ended' as const, stop: 'cancelled' as const }
}

/** What is said where a turn ended and left nothing to see. */
function silence(stop: StopReason | undefined): View['parts'][number] {
  return { kind: 'notice', text: stop === 'cancelled' ? 'Stopped.' : 'The agent finished without an answer.' }
}

export const queueKey = (seq: number) => `queue/${seq}`
