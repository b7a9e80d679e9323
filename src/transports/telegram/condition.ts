import type { TransportDeps } from '../../core/define.ts'
import type { TransportReport } from '../../core/transport.ts'
import { Rest } from '../../lib/rest.ts'
import type { CallError } from './bot-api.ts'

export interface ConditionDeps extends Pick<TransportDeps, 'log' | 'report'> {
  readonly host: string
  readonly now: () => number
  /** After so long without a conflict it is over. */
  readonly calmMs: number
}

/** How the hearing fares, told in words to whoever wants to know. */
export class Condition {
  readonly #deps: ConditionDeps
  #me: { readonly id: number; readonly username: string } | undefined
  #reported: TransportReport | undefined
  #webhook = false
  #conflictSince: number | undefined
  readonly #conflict = new Rest()
  #deaf = false

  constructor(deps: ConditionDeps) {
    this.#deps = deps
  }

  get isConnected(): boolean {
    return this.#reported?.state === 'connected'
  }

  /** Does another program poll, too? */
  get inConflict(): boolean {
    return this.#conflictSince !== undefined
  }

  /** Do updates wait which no poll brings? Polls that bring nothing are no sign of health then. */
  get isDeaf(): boolean {
    return this.#deaf
  }

  get webhookInTheWay(): boolean {
    return this.#webhook
  }

  is(me: { readonly id: number; readonly username: string }): void {
    this.#me = me
  }

  webhookIsGone(): void {
    this.#webhook = false
  }

  connecting(): void {
    this.#report({ state: 'connecting' })
  }

  connected(): void {
    this.#deaf = false
    // The other one tries again, and so gets its part.
    if (this.#conflict.leftMs(this.#deps.now()) > 0) return
    this.#conflictSince = undefined
    if (!this.isConnected) this.#report({ state: 'connected' })
  }

  stopped(): void {
    this.#report({ state: 'stopped' })
  }

  /** Updates wait, and no poll brings them. */
  deaf(waiting: number): void {
    this.#deaf = true
    const many = waiting === 1 ? 'a message waits' : `${waiting} messages wait`
    const detail = `${many} at ${this.#deps.host} for ${this.#bot} and do not come; ductor asks again by other ways. If that lasts, something between this machine and Telegram (a proxy?) answers in its place.`
    this.#report({ state: 'failed', detail })
  }

  /** The token is not taken. Gives what to do about it. */
  refused(): void {
    const detail = `Telegram refuses the token of ${this.#bot}: ask @BotFather for the valid one (/mybots, then API Token), and put it into telegram_token. ductor asks again by itself, at last every ten minutes.`
    this.#report({ state: 'failed', detail })
  }

  trouble(error: CallError, failures: number): void {
    const { log, now, calmMs } = this.#deps
    log.debug({ failure: error.failure, code: error.code, reason: error.message, failures }, 'a poll failed')
    this.#deaf = false
    this.#webhook = error.code === 409 && /webhook/i.test(error.message)
    if (error.code === 409) this.#conflictSince ??= now()
    if (error.code === 409 && !this.#webhook) this.#conflict.begin(calmMs, now())
    // A connection that breaks once in a while is no trouble; one that cannot be had again is.
    const mayBeNothing = failures === 1 && error.failure === 'lost' && this.isConnected
    if (!mayBeNothing) this.#report({ state: 'failed', detail: this.#explain(error) })
  }

  #explain(error: CallError): string {
    if (error.code !== 409) return `${error.message}; ductor goes on trying`
    const since = new Date(this.#conflictSince ?? this.#deps.now()).toTimeString().slice(0, 5)
    return this.#webhook
      ? `another program has set a webhook for ${this.#bot}, which takes its updates away. ductor removes it; stop that program, or give one of the two a bot of its own.`
      : `another program has been hearing for ${this.#bot} since ${since}, so each gets only a part of the messages. Stop it, or give one of the two a bot of its own; ductor goes on by itself.`
  }

  /** By its number too: two names may be one token. */
  get #bot(): string {
    return this.#me === undefined ? 'the bot' : `@${this.#me.username} (bot ${this.#me.id})`
  }

  #report(report: TransportReport): void {
    const full = { ...report, ...(this.#me === undefined ? {} : { account: `@${this.#me.username}` }) }
    if (full.state === this.#reported?.state && full.detail === this.#reported.detail) return
    this.#reported = full
    this.#deps.report(full)
  }
}
