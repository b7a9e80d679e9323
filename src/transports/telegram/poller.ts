import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { authorise, type Policy } from '../../core/authorise.ts'
import type { TransportDeps } from '../../core/define.ts'
import { FatalError, type Intake, type TransportReport } from '../../core/transport.ts'
import { CallError, type BotApi } from './bot-api.ts'
import { allowedUpdates, hear, type Heard, type Me } from './inbound.ts'
import { menu } from './menu.ts'

/** How long things take. */
export interface Tempo {
  /** For how long Telegram may hold a poll open when there is nothing to hear; at most 50. */
  readonly pollSeconds: number
  /** After which a call other than a poll counts as lost; a poll has as much more. */
  readonly callTimeoutMs: number
  /** After the first failure; each further one waits twice as long. */
  readonly firstPauseMs: number
  readonly longestPauseMs: number
  /** While another program polls the same bot. */
  readonly conflictPauseMs: number
}

export const usualTempo: Tempo = {
  pollSeconds: 25,
  callTimeoutMs: 20_000,
  firstPauseMs: 1000,
  longestPauseMs: 30_000,
  conflictPauseMs: 5000,
}

export interface PollerDeps extends Pick<TransportDeps, 'log' | 'report' | 'heard'> {
  readonly policy: Policy
  readonly api: BotApi
  /** For the polls alone: they wait longer. */
  readonly pollApi: BotApi
  readonly tempo: Tempo
  readonly now: () => number
}

const whoAmI = z.object({ id: z.int(), username: z.string() })
const batchOf = z.array(z.looseObject({ update_id: z.int() }))
type Batch = z.infer<typeof batchOf>

const offsetKey = 'offset'
const conflictPollSeconds = 3
/** As many as Telegram gives at once. */
const batchSize = 100

/**
 * Hears what Telegram has for the bot. An update is confirmed by asking for the next one, and that is done only
 * when the store has taken it: whatever happens in between, it comes again.
 */
export class Poller {
  readonly #deps: PollerDeps
  #account: string | undefined
  #reported: TransportReport | undefined
  #webhookInTheWay = false
  #conflict = false

  constructor(deps: PollerDeps) {
    this.#deps = deps
  }

  async listen(intake: Intake, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    this.#report({ state: 'connecting' })
    try {
      const me = await this.#connect(signal)
      const settingMenu = this.#setMenu(signal)
      try {
        await this.#poll(me, intake, signal)
      } finally {
        await settingMenu
      }
    } catch (error) {
      // Whatever was under way when it was told to stop has failed, and that is no news.
      if (!signal.aborted) throw error
    } finally {
      if (signal.aborted) this.#report({ state: 'stopped' })
    }
  }

  async #connect(signal: AbortSignal): Promise<Me> {
    const { api } = this.#deps
    const me = await this.#insist(async () => {
      const parsed = whoAmI.safeParse(await api.call((bot, stop) => bot.getMe(stop), signal))
      if (!parsed.success) throw new CallError('lost', `${api.host} does not say who the bot is`)
      this.#account = `@${parsed.data.username}`
      await this.#deleteWebhook(signal)
      return parsed.data
    }, signal)
    this.#connected()
    return me
  }

  async #poll(me: Me, intake: Intake, signal: AbortSignal): Promise<void> {
    const { heard, log, now } = this.#deps
    let offset = savedOffset(intake)
    while (!signal.aborted) {
      const batch = await this.#insist(() => this.#getUpdates(offset, signal), signal)
      this.#connected()
      heard()
      const last = batch.at(-1)
      if (last === undefined) continue
      const meanings = batch.map((update) => hear(update, me, now()))
      for (const meaning of meanings) if (meaning.kind === 'ignored') this.#ignore(meaning)
      // The last one, not the highest: after a quiet week Telegram may begin its numbers anew, and lower.
      const next = last.update_id + 1
      await intake.take(
        meanings.flatMap((meaning) => (meaning.kind === 'inbound' ? [meaning.inbound] : [])),
        { [offsetKey]: String(next) },
      )
      offset = next
      log.debug({ updates: batch.length }, 'updates taken')
      for (const meaning of meanings) if (meaning.kind === 'added') await this.#join(meaning, signal)
    }
  }

  async #getUpdates(offset: number | undefined, signal: AbortSignal): Promise<Batch> {
    const { pollApi } = this.#deps
    if (this.#webhookInTheWay) await this.#deleteWebhook(signal)
    const answer = await pollApi.call(
      (bot, stop) =>
        bot.getUpdates(
          {
            ...(offset === undefined ? {} : { offset }),
            limit: batchSize,
            timeout: this.#patience(),
            allowed_updates: allowedUpdates,
          },
          stop,
        ),
      signal,
    )
    const batch = batchOf.safeParse(answer)
    if (!batch.success) throw new CallError('lost', `${pollApi.host} sent updates that make no sense`)
    return batch.data
  }

  /** Seconds. After trouble a short poll tells soon whether it is over; two that poll see each other only by waiting. */
  #patience(): number {
    const { pollSeconds } = this.#deps.tempo
    if (this.#reported?.state === 'connected') return pollSeconds
    return this.#conflict ? Math.min(conflictPollSeconds, pollSeconds) : 0
  }

  /** A webhook would get the updates in our place. What waits for us stays. */
  async #deleteWebhook(signal: AbortSignal): Promise<void> {
    await this.#deps.api.call((bot, stop) => bot.deleteWebhook({ drop_pending_updates: false }, stop), signal)
    this.#webhookInTheWay = false
  }

  /** Tries until it works; says how it goes; gives up only where trying again cannot help. */
  async #insist<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await attempt()
      } catch (error) {
        if (signal.aborted || !(error instanceof CallError)) throw error
        if (error.code === 401 || error.code === 404) throw this.#refused(error)
        this.#trouble(error, failures)
        await sleep(this.#pauseMs(error, failures), undefined, { signal })
      }
    }
  }

  #refused(error: CallError): FatalError {
    const detail =
      'Telegram refuses the token of the bot: ask @BotFather for the valid one (/mybots, then API Token), and put it into telegram_token.'
    this.#report({ state: 'failed', detail })
    return new FatalError(detail, { cause: error })
  }

  #trouble(error: CallError, failures: number): void {
    const { log } = this.#deps
    log.debug({ failure: error.failure, code: error.code, reason: error.message, failures }, 'a poll failed')
    this.#conflict = error.code === 409
    this.#webhookInTheWay = this.#conflict && /webhook/i.test(error.message)
    // A connection that breaks once in a while is no trouble; one that cannot be had again is.
    const mayBeNothing = failures === 1 && error.failure === 'lost' && this.#reported?.state === 'connected'
    if (!mayBeNothing) this.#report({ state: 'failed', detail: this.#explain(error) })
  }

  #explain(error: CallError): string {
    const bot = this.#account ?? 'this bot'
    if (error.code !== 409) return `${error.message}; ductor goes on trying`
    return this.#webhookInTheWay
      ? `another program has set a webhook for ${bot}, which takes its updates away. ductor removes it; stop that program, or give one of the two a bot of its own.`
      : `another program hears for ${bot} at the same time, so each gets only a part of the messages. Stop it, or give one of the two a bot of its own; ductor goes on by itself.`
  }

  #pauseMs(error: CallError, failures: number): number {
    const { conflictPauseMs, firstPauseMs, longestPauseMs } = this.#deps.tempo
    if (error.retryAfterMs !== undefined) return error.retryAfterMs
    if (error.code === 409) return conflictPauseMs
    return Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 20), longestPauseMs)
  }

  #connected(): void {
    if (this.#reported?.state !== 'connected') this.#report({ state: 'connected' })
  }

  #report(report: TransportReport): void {
    const full = { ...report, ...(this.#account === undefined ? {} : { account: this.#account }) }
    if (full.state === this.#reported?.state && full.detail === this.#reported.detail) return
    this.#reported = full
    this.#deps.report(full)
  }

  #ignore({ why, strange }: Extract<Heard, { kind: 'ignored' }>): void {
    const { log } = this.#deps
    if (strange === true) log.warn({ why }, 'an update was left out')
    else log.debug({ why }, 'an update was left out')
  }

  /** Leaves a group or channel at once when whoever added the bot may not do so. */
  async #join({ chat, by }: Extract<Heard, { kind: 'added' }>, signal: AbortSignal): Promise<void> {
    const { api, log, policy } = this.#deps
    const verdict = authorise(policy, { act: 'invite', sender: by, chat, group: true, addressed: false })
    if (verdict.allowed) return log.info({ chat, by }, 'added to a group')
    log.info({ chat, by, reason: verdict.reason }, 'left a group')
    try {
      await api.call((bot, stop) => bot.leaveChat(chat, stop), signal)
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      // It stays there in silence: no message from there is let in.
      log.warn({ chat, reason: error.message }, 'could not leave a group')
    }
  }

  async #setMenu(signal: AbortSignal): Promise<void> {
    const { api, log } = this.#deps
    try {
      await api.call((bot, stop) => bot.setMyCommands(menu, undefined, stop), signal)
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      // Commands work without it.
      log.debug({ reason: error.message }, 'the menu of commands was not set')
    }
  }
}

function savedOffset(intake: Intake): number | undefined {
  const saved = intake.recall(offsetKey)
  return saved !== undefined && /^-?\d+$/.test(saved) ? Number(saved) : undefined
}
