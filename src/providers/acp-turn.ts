import { setImmediate as handled, setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../core/define.ts'
import type { PermissionAnswer, Turn, TurnEvent, Usage } from '../core/provider.ts'
import type { AcpAgent } from './acp-agent.ts'
import { AcpDecoder } from './acp-decode.ts'
import { refusalSentence } from './acp-failure.ts'
import type { Outcome } from './acp-permission.ts'
import type { AcpProcess, Answer } from './acp-process.ts'
import type { Form, Reply } from './acp-question.ts'
import { AcpRequests } from './acp-requests.ts'
import { clear, toolsOf } from './acp-tools.ts'
import { readPrompted, type PermissionRequest, type Update } from './acp-wire.ts'
import { Channel } from './channel.ts'

type Ended = Extract<TurnEvent, { type: 'turn.ended' }>

/** Characters. What an agent writes beyond it in one turn nobody reads, and memory has an end. */
const lettersLimit = 16 * 1024 * 1024

/** Why a turn is ended before the agent ends it. */
type Cause = 'stopped' | 'silent' | 'endless'

/** Who the turn belongs to. */
export interface Setting {
  readonly agent: AcpAgent
  readonly process: AcpProcess
  readonly sessionId: string
  readonly log: Log
  /** Dollars that the session had cost before; undefined where nobody knows. */
  readonly cost: number | undefined
  /** Does the agent have a mode of its own for the turn's permission mode? */
  modeKnown(): boolean
  /** Has the process run no other turn while this one ran? */
  alone(): boolean
}

/** A turn as it runs: what comes in, what is asked, and how it ends. */
export class AcpTurn {
  readonly id: string
  readonly events = new Channel<TurnEvent>()
  readonly #setting: Setting
  readonly #decoder = new AcpDecoder()
  readonly #requests: AcpRequests
  readonly #answered = Promise.withResolvers<void>()
  readonly #told = new Set<string>()
  /** How old the agent's process was. */
  readonly #begun: number
  #prompted = false
  #unwatched = true
  #cause: Cause | undefined
  #stopping: Promise<void> | undefined
  #silence: NodeJS.Timeout | undefined
  /** What the turn was ended for, where it was silent. */
  #silent = ''
  #ending: Ended | undefined

  constructor(turn: Pick<Turn, 'id' | 'cwd' | 'permissionMode'>, setting: Setting) {
    this.id = turn.id
    this.#setting = setting
    this.#begun = setting.process.age
    this.#requests = new AcpRequests({
      turn,
      decoder: this.#decoder,
      modeKnown: () => setting.modeKnown(),
      put: (event) => this.events.put(event),
      unheard: () =>
        this.notice(`${setting.agent.name} is told the no, but cannot be told why; say it in a message.`),
      changed: () => this.#watch(),
    })
  }

  /** Undefined as long as it runs. */
  get ending(): Ended | undefined {
    return this.#ending
  }

  get cost(): number | undefined {
    return this.#decoder.cost
  }

  /** From now on it is told and ended where it is silent. */
  watch(): void {
    this.#unwatched = false
    this.#watch()
  }

  /** Sends the prompt, and ends the turn with its answer. */
  async prompt(prompt: readonly object[]): Promise<void> {
    const { process, sessionId } = this.#setting
    if (this.#cause !== undefined) return this.#end({ type: 'turn.ended', ...this.#cancelled() })
    this.#prompted = true
    this.#watch()
    const answer = await process.request('session/prompt', { sessionId, prompt })
    // What came before the answer may be handled after it.
    await handled()
    this.#answered.resolve()
    await this.#stopping
    this.#conclude(answer)
  }

  hear(update: Update): void {
    // What it writes without end is of no use, and there is no end to it before it has stopped.
    if (this.#ending !== undefined || this.#cause === 'endless') return
    for (const event of this.#decoder.read(update)) this.events.put(this.#truly(event))
    if (this.#decoder.letters > lettersLimit) void this.stop('endless')
    this.#watch()
  }

  /** Each once a turn. */
  notice(message: string): void {
    if (this.#told.has(message)) return
    this.#told.add(message)
    this.events.put({ type: 'notice', message })
  }

  permission(request: PermissionRequest, signal: AbortSignal): Promise<Outcome> {
    return this.#requests.permission(request, signal)
  }

  question(form: Form, signal: AbortSignal): Promise<Reply> {
    return this.#requests.question(form, signal)
  }

  answer(requestId: string, answer: PermissionAnswer): boolean {
    return !this.#setting.process.ended && this.#requests.answer(requestId, answer)
  }

  reply(questionId: string, answers: readonly (readonly string[])[]): boolean {
    return !this.#setting.process.ended && this.#requests.reply(questionId, answers)
  }

  /** Softly: the agent is asked to end the turn, and nothing happens to its processes. */
  interrupt(): void {
    this.#cause ??= 'stopped'
    this.#cancel()
  }

  /** Ends the turn and what its tools started, and the agent itself where it does not confirm that. */
  stop(cause: Cause): Promise<void> {
    this.#cause ??= cause
    this.#stopping ??= this.#stop().catch((error: unknown) => {
      this.#setting.log.error({ err: error }, 'a turn could not be stopped')
      this.fail('')
    })
    return this.#stopping
  }

  /** Nothing more will come. */
  fail(error: string): void {
    this.#end(
      this.#cause === undefined
        ? { type: 'turn.ended', stop: 'failed', error }
        : { type: 'turn.ended', ...this.#cancelled() },
    )
  }

  /** What the agent began by itself has come to its end. */
  finish(): void {
    this.#end({ type: 'turn.ended', stop: 'end_turn' })
  }

  async #stop(): Promise<void> {
    const { process, agent } = this.#setting
    const { cancelMs, killMs } = agent.patience
    const { pid } = process
    if (this.#ending !== undefined || pid === undefined) return
    // Where nothing was asked, nothing is confirmed.
    if (!this.#prompted) this.#answered.resolve()
    // Before the cancel: what a dead shell leaves behind cannot be found any more.
    const { commands } = this.#decoder
    const tools = await toolsOf(pid, this.#begun, commands, this.#setting.alone()).finally(() =>
      this.#cancel(),
    )
    const confirmed = await Promise.race([
      this.#answered.promise.then(() => true),
      sleep(cancelMs, false, { ref: false }),
    ])
    if (!confirmed) {
      const sentence = `${agent.name} did not stop when it was told to, and was ended. What else it was doing ended with it.`
      await process.kill(killMs, sentence)
    }
    await clear(tools, killMs)
    if (!this.#prompted) this.#end({ type: 'turn.ended', ...this.#cancelled() })
  }

  #cancel(): void {
    this.#requests.close()
    const { process, sessionId } = this.#setting
    process.notify('session/cancel', { sessionId })
  }

  /** Some agents call a tool completed that a cancel has ended. */
  #truly(event: TurnEvent): TurnEvent {
    return event.type === 'tool' && this.#cause !== undefined && event.status === 'completed'
      ? { ...event, status: 'failed' }
      : event
  }

  #conclude(answer: Answer): void {
    const told = answer.ok ? readPrompted(answer.result) : undefined
    const usage = { ...this.#usage(), ...tokens(told) }
    const common = { type: 'turn.ended' as const, ...(Object.keys(usage).length > 0 ? { usage } : {}) }
    if (this.#cause !== undefined) return this.#end({ ...common, ...this.#cancelled() })
    const { agent } = this.#setting
    if (!answer.ok)
      return this.#end({ ...common, stop: 'failed', error: refusalSentence(agent, answer.refusal) })
    this.#end({ ...common, ...stopOf(agent.name, told?.stopReason) })
  }

  #cancelled(): Pick<Ended, 'stop' | 'error'> {
    const { name } = this.#setting.agent
    switch (this.#cause) {
      case 'silent':
        return { stop: 'failed', error: this.#silent }
      case 'endless':
        return { stop: 'limit', error: `${name} wrote without end and was stopped. Ask for less at a time.` }
      case 'stopped':
      case undefined:
        return { stop: 'cancelled' }
    }
  }

  #usage(): Usage {
    const { cost, usage } = this.#decoder
    const before = this.#setting.cost
    const known = cost !== undefined && before !== undefined && cost >= before
    return { ...usage, ...(known ? { costUsd: cost - before } : {}) }
  }

  #end(ending: Ended): void {
    if (this.#ending !== undefined) return
    for (const event of this.#decoder.flush()) this.events.put(event)
    this.#requests.close()
    for (const event of this.#decoder.abandoned()) this.events.put(event)
    this.#ending = ending
    clearTimeout(this.#silence)
    this.events.end()
  }

  /** Agents that try to reach their model again and again do not say so. */
  #watch(): void {
    clearTimeout(this.#silence)
    if (this.#ending !== undefined || this.#cause !== undefined || this.#unwatched) return
    // The person is asked, and may take their time.
    if (this.#requests.waiting) return
    const { name, patience } = this.#setting.agent
    const busy = this.#decoder.busyWithTool
    const limit = busy ? patience.toolSilenceMs : patience.silenceMs
    const why = busy
      ? `A tool of ${name} ran for ${duration(limit)} without a word, so the turn was ended.`
      : `${name} said nothing for ${duration(limit)}, so the turn was ended. Its model may be out of reach or at its limit. Send it again later.`
    const end = (after: number) => {
      this.#silence = setTimeout(() => {
        this.#silent = why
        void this.stop('silent')
      }, after).unref()
    }
    if (busy || patience.noticeMs >= limit) return end(limit)
    this.#silence = setTimeout(() => {
      const told = `${name} has said nothing for ${duration(patience.noticeMs)}. It may be trying to reach its model again.`
      this.notice(told)
      end(limit - patience.noticeMs)
    }, patience.noticeMs).unref()
  }
}

function stopOf(name: string, reason: string | undefined): Pick<Ended, 'stop' | 'error'> {
  switch (reason) {
    case 'end_turn':
      return { stop: 'end_turn' }
    case 'refusal':
      return { stop: 'refusal' }
    case 'max_tokens':
      return { stop: 'limit', error: `${name} stopped: the answer has become too long for the model.` }
    case 'max_turn_requests':
      return { stop: 'limit', error: `${name} stopped: it may not ask its model more often in one turn.` }
    case 'cancelled':
      return { stop: 'failed', error: `${name} broke the turn off by itself. Send it again.` }
    case undefined:
    default:
      return { stop: 'failed', error: `${name} ended the turn without a word about how it ended.` }
  }
}

function tokens(told: ReturnType<typeof readPrompted>): Usage {
  const { inputTokens, outputTokens } = told ?? {}
  return {
    ...(inputTokens === undefined ? {} : { inputTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
  }
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds === 1) return 'a second'
  return seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`
}
