import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { TransportDeps } from '../../core/define.ts'
import type { Inbound } from '../../core/message.ts'
import type { Intake } from '../../core/transport.ts'
import { CallError, type BotApi } from './bot-api.ts'
import { Condition } from './condition.ts'
import { hear, type Heard, type Me } from './inbound.ts'
import type { Chats, Fact } from './chats.ts'
import type { Leaving } from './leaving.ts'
import type { Ledger } from './ledger.ts'
import { setMenu } from './menu.ts'
import { Silence } from './silence.ts'
import type { Tempo } from './tempo.ts'
import { allowedUpdates } from './wire.ts'

export interface PollerDeps extends Pick<TransportDeps, 'log' | 'report' | 'heard' | 'commands'> {
  readonly api: BotApi
  /** For the polls alone: they wait longer. */
  readonly pollApi: BotApi
  /** As `pollApi`, with a new connection for each. */
  readonly freshApi: BotApi
  readonly chats: Chats
  readonly ledger: Ledger
  readonly leaving: Leaving
  readonly tempo: Tempo
  readonly now: () => number
  /** What is about to be stored: it may be acted upon before the storing is known here. */
  readonly coming: (inbound: Inbound) => void
  /** What was learnt of a chat. */
  readonly learnt: (fact: Fact) => void
}

const whoAmI = z.object({ id: z.int(), username: z.string() })
const batchOf = z.array(z.looseObject({ update_id: z.int() }))
type Batch = z.infer<typeof batchOf>

const offsetKey = 'offset'
const offsetAtKey = 'offset_at'
/** After a week without updates Telegram begins its numbers anew: an old offset says nothing then. */
const offsetLifeMs = 6 * 24 * 3_600_000
const conflictPollSeconds = 3
/** A poll that was to wait and ends sooner with nothing was not held at all. */
const soonMs = 500
/** As many as Telegram gives at once. */
const batchSize = 100

/**
 * Hears what Telegram has for the bot. An update is confirmed by asking for the next one, and that is done only
 * when the store has taken it: whatever happens in between, it comes again.
 */
export class Poller {
  readonly #deps: PollerDeps
  readonly #condition: Condition
  readonly #silence: Silence
  #pollApi: BotApi

  constructor(deps: PollerDeps) {
    this.#deps = deps
    this.#pollApi = deps.pollApi
    this.#condition = new Condition({ host: deps.api.host, calmMs: deps.tempo.calmMs, ...deps })
    this.#silence = new Silence({ ...deps, quietMs: deps.tempo.quietMs })
  }

  async listen(intake: Intake, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const condition = this.#condition
    condition.connecting()
    try {
      const me = await this.#connect(signal)
      const settingMenu = setMenu(this.#deps, signal)
      try {
        await this.#poll(me, intake, signal)
      } finally {
        await settingMenu
      }
    } catch (error) {
      // Whatever was under way when it was told to stop has failed, and that is no news.
      if (!signal.aborted) throw error
    } finally {
      if (signal.aborted) condition.stopped()
    }
  }

  async #connect(signal: AbortSignal): Promise<Me> {
    const { api } = this.#deps
    const me = await this.#insist(async () => {
      const parsed = whoAmI.safeParse(await api.call((bot, stop) => bot.getMe(stop), signal))
      if (!parsed.success) throw new CallError('lost', `${api.host} does not say who the bot is`)
      this.#condition.is(parsed.data)
      await this.#deleteWebhook(signal)
      return parsed.data
    }, signal)
    this.#condition.connected()
    return me
  }

  async #poll(me: Me, intake: Intake, signal: AbortSignal): Promise<void> {
    const { heard, now } = this.#deps
    let offset = savedNumber(intake, offsetKey)
    let offsetAt = savedNumber(intake, offsetAtKey) ?? now()
    while (!signal.aborted) {
      if (now() - offsetAt > offsetLifeMs) offset = undefined
      const polledAt = performance.now()
      let batch = await this.#insist(() => this.#getUpdates(this.#pollApi, offset, signal), signal)
      if (batch.length === 0) {
        if (performance.now() - polledAt < soonMs) await this.#restFromHaste(signal)
        batch = await this.#lookAround(offset, signal)
      }
      if (batch.length > 0 || !this.#condition.isDeaf) this.#condition.connected()
      heard()
      const last = batch.at(-1)
      if (last === undefined) continue
      this.#silence.broken()
      offsetAt = now()
      await this.#take(batch, me, intake, last.update_id, offsetAt, signal)
      // The last one, not the highest: after a quiet week Telegram may begin its numbers anew, and lower.
      offset = last.update_id + 1
    }
  }

  /** Stores what a batch says, together with the fact that it was heard; then acts on it. */
  async #take(
    batch: Batch,
    me: Me,
    intake: Intake,
    last: number,
    at: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { log, chats, leaving, coming } = this.#deps
    const facts: Record<string, string> = {}
    const meanings = batch.map((update) => {
      const meaning = hear(update, { me, now: at, originalOf: (chat) => chats.originalOf(chat) })
      // At once: what comes later in the same batch may already be about the chat under its new name.
      Object.assign(facts, this.#learn(meaning))
      return meaning
    })
    const inbounds = meanings.flatMap((meaning) => (meaning.kind === 'inbound' ? [meaning.inbound] : []))
    for (const inbound of inbounds) coming(inbound)
    await intake.take(inbounds, { ...facts, [offsetKey]: String(last + 1), [offsetAtKey]: String(at) })
    log.debug({ updates: batch.length }, 'updates taken')
    for (const meaning of meanings) {
      if (meaning.kind === 'added') await leaving.added(meaning.chat, meaning.by, signal)
      else if (meaning.kind === 'ignored') this.#ignore(meaning)
      else if (meaning.inbound.group) await leaving.heardIn(meaning.inbound.place.chat, signal)
    }
  }

  #learn(meaning: Heard): Record<string, string | null> {
    const { chats, ledger, learnt } = this.#deps
    const entries: Record<string, string> = {}
    for (const fact of meaning.facts) {
      Object.assign(entries, chats.learn(fact))
      learnt(fact)
    }
    if (meaning.seen !== undefined) {
      const { chat, message, ours } = meaning.seen
      Object.assign(entries, ledger.saw(chat, message, ours))
    }
    return entries
  }

  async #getUpdates(api: BotApi, offset: number | undefined, signal: AbortSignal): Promise<Batch> {
    if (this.#condition.webhookInTheWay) await this.#deleteWebhook(signal)
    const answer = await api.call(
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
    if (!batch.success) throw new CallError('lost', `${api.host} sent updates that make no sense`)
    return batch.data
  }

  /** When it has been quiet for long: is it really? What waits all the same is fetched over a new connection. */
  async #lookAround(offset: number | undefined, signal: AbortSignal): Promise<Batch> {
    const waiting = await this.#silence.check(signal)
    if (waiting === 0) this.#condition.connected()
    if (waiting === undefined || waiting === 0) return []
    const { freshApi, log } = this.#deps
    const batch = await this.#insist(() => this.#getUpdates(freshApi, offset, signal), signal)
    log.warn({ waiting, came: batch.length }, 'updates waited that no poll brought')
    if (batch.length > 0) {
      // What has gone deaf once is not trusted again.
      this.#pollApi = freshApi
      return batch
    }
    if (await this.#silence.stillWait(signal)) {
      this.#condition.deaf(waiting)
      return this.#insist(() => this.#getUpdates(freshApi, undefined, signal), signal)
    }
    return []
  }

  /** Telegram holds a poll until there is something to hear. What answers at once, with nothing, is not flooded. */
  async #restFromHaste(signal: AbortSignal): Promise<void> {
    if (this.#patience() > 0) await sleep(this.#deps.tempo.firstPauseMs, undefined, { signal })
  }

  /** Seconds. After trouble a short poll tells soon whether it is over; two that poll see each other only by waiting. */
  #patience(): number {
    const { pollSeconds } = this.#deps.tempo
    if (this.#condition.isConnected || this.#condition.isDeaf) return pollSeconds
    return this.#condition.inConflict ? Math.min(conflictPollSeconds, pollSeconds) : 0
  }

  /** A webhook would get the updates in our place. What waits for us stays. */
  async #deleteWebhook(signal: AbortSignal): Promise<void> {
    await this.#deps.api.call((bot, stop) => bot.deleteWebhook({ drop_pending_updates: false }, stop), signal)
    this.#condition.webhookIsGone()
  }

  /** Tries until it works, and says how it goes. */
  async #insist<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await attempt()
      } catch (error) {
        if (signal.aborted || !(error instanceof CallError)) throw error
        if (isRefusal(error)) this.#condition.refused()
        else this.#condition.trouble(error, failures)
        await sleep(this.#pauseMs(error, failures), undefined, { signal })
      }
    }
  }

  #pauseMs(error: CallError, failures: number): number {
    const { conflictPauseMs, firstPauseMs, longestPauseMs, refusedPauseMs } = this.#deps.tempo
    if (error.retryAfterMs !== undefined) return error.retryAfterMs
    if (error.code === 409) return conflictPauseMs
    // A refusal may be a slip of Telegram's, and over at once; or last until a person does something.
    const longest = isRefusal(error) ? refusedPauseMs : longestPauseMs
    return Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 20), longest)
  }

  #ignore({ why, strange }: Extract<Heard, { kind: 'ignored' }>): void {
    const { log } = this.#deps
    if (strange === true) log.warn({ why }, 'an update was left out')
    else log.debug({ why }, 'an update was left out')
  }
}

/** Of the token: Telegram knows no such bot. */
function isRefusal({ code }: CallError): boolean {
  return code === 401 || code === 404
}

function savedNumber(intake: Intake, key: string): number | undefined {
  const saved = intake.recall(key)
  return saved !== undefined && /^-?\d+$/.test(saved) ? Number(saved) : undefined
}
