import { randomUUID } from 'node:crypto'
import type { Log } from '../../core/define.ts'
import type { Attachment } from '../../core/message.ts'
import type { PermissionAnswer, Steered, Turn, TurnEvent } from '../../core/provider.ts'
import { Channel } from '../channel.ts'
import type { AppServer } from './app-server.ts'
import { askOf, type Ask } from './asks.ts'
import { TurnDecoder, type Heard } from './decode.ts'
import { errorEnding, failed, said, silent, statusOf, unreachable, whyRetry, wordsOf } from './failure.ts'
import { inputOf } from './input.ts'
import type { Limits } from './limits.ts'
import { endTools, toolsOf } from './thread-tools.ts'
import { PutIn } from './put-in.ts'
import { replies, type Notification, type RequestId } from './wire.ts'

export type Ended = Extract<TurnEvent, { type: 'turn.ended' }>

/** Milliseconds. */
export interface Patience {
  /** From the start of the process to its greeting. */
  readonly startMs: number
  /** From an interrupt to the end of the turn. */
  readonly interruptMs: number
  /** From SIGTERM to SIGKILL. */
  readonly killMs: number
  /** How long Codex may try again to reach its vendor without getting on. */
  readonly retryMs: number
  /** How long it may say nothing at all while no tool runs and nobody is asked. */
  readonly silenceMs: number
}

export const usualPatience: Patience = {
  startMs: 10_000,
  interruptMs: 2000,
  killMs: 2000,
  retryMs: 120_000,
  silenceMs: 15 * 60_000,
}

/** Far more than any answer; what goes on beyond it will not end by itself. */
const textLimit = 8_000_000

interface Pending {
  readonly requestId: RequestId
  readonly ask: Ask
}

export interface Surroundings {
  readonly server: AppServer
  readonly threadId: string
  readonly limits: Limits
  readonly patience: Patience
  readonly log: Log
  /** The thread, and those of the agents that it started. */
  family(): readonly string[]
}

/** One turn in one thread, from its prompt to its end. */
export class RunningTurn {
  readonly #turn: Turn
  readonly #around: Surroundings
  readonly #channel = new Channel<TurnEvent>()
  readonly #decoder = new TurnDecoder()
  readonly #asks = new Map<string, Pending>()
  /** Codex' own id of the turn; undefined where it will never have one. */
  readonly #begun = Promise.withResolvers<string | undefined>()
  readonly #over = Promise.withResolvers<void>()
  readonly #putIn = new PutIn()
  readonly #told = { retry: false, nonsense: false }
  #id: string | undefined
  #ending: Ended | undefined
  #stopping: Promise<void> | undefined
  #retrying: NodeJS.Timeout | undefined
  #silence: NodeJS.Timeout | undefined
  #characters = 0
  #aborted = false

  constructor(turn: Turn, around: Surroundings) {
    this.#turn = turn
    this.#around = around
  }

  /** Sends the prompt; gives all events but the last. `settings`: what `turn/start` is told beside the prompt. */
  async *events(settings: object, signal: AbortSignal): AsyncGenerator<TurnEvent, Ended> {
    const abort = () => {
      this.#aborted = true
      void this.stop()
    }
    signal.addEventListener('abort', abort, { once: true })
    try {
      void this.#begin(settings)
      if (signal.aborted) abort()
      yield* this.#channel
      const usage = this.#decoder.usage
      const ending = this.#ending ?? failed('Codex ended without a result.')
      return Object.keys(usage).length === 0 ? ending : { ...ending, usage }
    } finally {
      signal.removeEventListener('abort', abort)
      // The reader left before the end: nobody may go on in its name.
      if (this.#ending === undefined) await this.stop()
      clearTimeout(this.#retrying)
      clearTimeout(this.#silence)
    }
  }

  hear(notification: Notification): void {
    if (this.#ending !== undefined) return
    if (notification.method === 'serverRequest/resolved') return this.#resolved(notification.params.requestId)
    if (notification.method === 'turn/started') this.#id ??= notification.params.turn.id
    // The last words of the turn before, a terminal's end perhaps, are not ours.
    if (turnOf(notification) !== this.#id) return
    this.#listenOn()
    this.#putIn.hear(notification)
    for (const heard of this.#decoder.decode(notification)) this.#act(heard)
  }

  /** A request of the server's, in this thread or one of its agents'. False: no person can answer it. */
  ask(requestId: RequestId, method: string, params: unknown): boolean {
    if (this.#ending !== undefined || this.#stopping !== undefined) return false
    const ask = askOf(method, params, {
      cwd: this.#turn.cwd,
      mode: this.#turn.permissionMode,
      diff: (itemId) => this.#decoder.diff(itemId),
    })
    if (ask === undefined) return false
    if (this.#wasGranted(ask)) {
      this.#around.server.respond(requestId, ask.result({ allow: true, remember: true }))
      return true
    }
    const id = String(requestId)
    this.#asks.set(id, { requestId, ask })
    this.#listenOn()
    this.#channel.put({ ...ask.event, id })
    return true
  }

  /** Was exactly this allowed for the session, in a process that has ended? */
  #wasGranted(ask: Ask): ask is Extract<Ask, { kind: 'permission' }> {
    if (ask.kind !== 'permission' || ask.event.grant === undefined) return false
    const { rule } = ask.event.grant
    return this.#turn.grants?.some((grant) => grant.rule === rule) === true
  }

  answer(id: string, answer: PermissionAnswer): boolean {
    const pending = this.#asks.get(id)
    if (pending?.ask.kind !== 'permission' || this.#around.server.ended) return false
    this.#asks.delete(id)
    // A refusal has no room for a reason. Put into the turn before, it is there when the agent goes on.
    if (!answer.allow && answer.reason !== undefined && answer.reason !== '')
      void this.#send(`I said no to that: ${answer.reason}`, [])
    this.#around.server.respond(pending.requestId, pending.ask.result(answer))
    return true
  }

  reply(id: string, answers: readonly (readonly string[])[]): boolean {
    const pending = this.#asks.get(id)
    if (pending?.ask.kind !== 'question' || this.#around.server.ended) return false
    this.#asks.delete(id)
    this.#around.server.respond(pending.requestId, pending.ask.result(answers))
    return true
  }

  async steer(prompt: string, attachments: readonly Attachment[]): Promise<Steered> {
    const messageId = this.#putIn.add(prompt)
    const steered = await this.#send(prompt, attachments, messageId)
    return steered === 'taken' && !this.#putIn.take(messageId) ? 'over' : steered
  }

  async #send(
    prompt: string,
    attachments: readonly Attachment[],
    clientUserMessageId?: string,
  ): Promise<Steered> {
    const id = this.#id ?? (await this.#begun.promise)
    if (id === undefined || this.#ending !== undefined || this.#stopping !== undefined) return 'over'
    const { server, threadId } = this.#around
    const reply = await server.request(
      'turn/steer',
      {
        threadId,
        expectedTurnId: id,
        input: inputOf(prompt, attachments),
        ...(clientUserMessageId === undefined ? {} : { clientUserMessageId }),
      },
      replies.anything,
    )
    if (reply.how === 'done') return 'taken'
    return reply.how === 'refused' && /not steerable|cannot (be )?steer/i.test(reply.words)
      ? 'unsupported'
      : 'over'
  }

  /** Ends the turn and all that its tools started. Resolves when nothing of it is left. */
  stop(verdict: Ended = { type: 'turn.ended', stop: 'cancelled' }): Promise<void> {
    if (this.#ending !== undefined && this.#stopping === undefined) return Promise.resolve()
    this.#stopping ??= this.#stop(verdict).catch(async (error: unknown) => {
      this.#around.log.error({ err: error }, 'what codex has started could not be looked for')
      await this.#around.server.close()
      this.#ending = verdict
      this.#close()
    })
    return this.#stopping
  }

  /** Something that concerns the turn, though nobody knows which turn exactly. */
  nonsense(message: string): void {
    if (this.#told.nonsense) return
    this.#told.nonsense = true
    this.#channel.put({ type: 'notice', message })
  }

  notice(message: string): void {
    this.#channel.put({ type: 'notice', message })
  }

  /** The process is gone. */
  lose(sentence: string): void {
    this.#begun.resolve(undefined)
    if (this.#ending !== undefined) return
    this.#end(failed(sentence))
  }

  async #begin(settings: object): Promise<void> {
    const { server, threadId } = this.#around
    this.#listenOn()
    const input = inputOf(this.#turn.prompt, this.#turn.attachments)
    const params = { threadId, input, clientUserMessageId: randomUUID(), ...settings }
    const reply = await server.request('turn/start', params, replies.turn)
    if (reply.how === 'done') {
      this.#id = reply.result.turn.id
      return this.#begun.resolve(this.#id)
    }
    this.#begun.resolve(undefined)
    if (reply.how === 'refused')
      return this.#end(failed(`Codex did not take the message.${said(reply.words)}`))
    // The end of the process has a better sentence, if that is what it was.
    if (!server.ended) await server.close()
  }

  #act(heard: Heard): void {
    switch (heard.type) {
      case 'retry':
        return this.#retry(heard)
      case 'ended':
        return this.#end(this.#endingOf(heard))
      case 'text':
        this.#getsOn()
        this.#channel.put(heard)
        this.#characters += heard.delta.length
        if (this.#characters > textLimit)
          void this.stop(failed('Codex wrote more than 8 MB and did not end; it was stopped.'))
        return
      case 'thinking':
      case 'tool':
      case 'plan':
        this.#getsOn()
        return this.#channel.put(heard)
      case 'text.reset':
      case 'notice':
      case 'session.started':
      case 'permission.requested':
      case 'permission.withdrawn':
      case 'question.asked':
        return this.#channel.put(heard)
    }
  }

  /** Codex tries again by itself, and without end where it has no connection. */
  #retry({ error }: Extract<Heard, { type: 'retry' }>): void {
    // Five times what cannot succeed.
    if (statusOf(error) === 401) return void this.stop(errorEnding(error, undefined))
    if (!this.#told.retry) this.notice(`OpenAI did not answer${whyRetry(error)}; Codex is trying again.`)
    this.#told.retry = true
    const { retryMs } = this.#around.patience
    this.#retrying ??= setTimeout(() => {
      void this.stop(unreachable(retryMs, wordsOf(error)))
    }, retryMs).unref()
  }

  #getsOn(): void {
    clearTimeout(this.#retrying)
    this.#retrying = undefined
  }

  /** Starts the wait for a word of Codex' anew. */
  #listenOn(): void {
    clearTimeout(this.#silence)
    const { silenceMs } = this.#around.patience
    this.#silence = setTimeout(() => {
      if (this.#decoder.toolRuns || this.#asks.size > 0) return this.#listenOn()
      void this.stop(silent(silenceMs))
    }, silenceMs).unref()
  }

  #resolved(requestId: RequestId): void {
    const id = String(requestId)
    if (this.#asks.delete(id)) this.#channel.put({ type: 'permission.withdrawn', id })
  }

  #endingOf({ status, error }: Extract<Heard, { type: 'ended' }>): Ended {
    if (status === 'completed' && error === undefined) return { type: 'turn.ended', stop: 'end_turn' }
    if (status === 'interrupted' && error === undefined)
      return failed('Codex broke off by itself. Send it again.')
    return errorEnding(error, this.#around.limits.resets())
  }

  #end(ending: Ended): void {
    this.#ending ??= ending
    this.#over.resolve()
    // A stop has the last word: it ends the channel when it has cleared up.
    if (this.#stopping === undefined) this.#close()
  }

  #close(): void {
    // Whoever stops all has dropped it; else nobody would know that it was thrown away.
    const unheard = this.#putIn.end()
    if (!this.#aborted) for (const event of unheard) this.#channel.put(event)
    this.#channel.end()
  }

  async #stop(verdict: Ended): Promise<void> {
    const { server, threadId, patience, log } = this.#around
    this.#asks.clear()
    const tools = await toolsOf(this.#around.family())
    const limit = patience.interruptMs
    if (this.#id === undefined) await within(this.#begun.promise, limit)
    if (this.#id !== undefined && this.#ending === undefined) {
      void server.request('turn/interrupt', { threadId, turnId: this.#id }, replies.anything, limit)
      await within(this.#over.promise, limit)
    }
    if (this.#ending === undefined) {
      log.warn({ pid: server.pid }, 'codex did not confirm the interrupt and is killed')
      await server.close()
    }
    this.#ending = verdict
    // An interrupt leaves commands running.
    if (!server.ended)
      await server.request(
        'thread/backgroundTerminals/clean',
        { threadId },
        replies.anything,
        patience.interruptMs,
      )
    await endTools(tools, this.#around.family(), patience.killMs)
    this.#close()
  }
}

function turnOf(notification: Notification): string | undefined {
  const { params } = notification
  if ('turnId' in params) return params.turnId
  return 'turn' in params ? params.turn.id : undefined
}

async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([promise, late])
  clearTimeout(timer)
}
