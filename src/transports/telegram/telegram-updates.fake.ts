import type { Limits } from './telegram-limits.fake.ts'
import { Refusal, type Lint } from './telegram-refusal.fake.ts'

export interface WireUpdate {
  readonly update_id: number
  readonly [kind: string]: unknown
}

export interface PollRequest {
  readonly offset: number
  readonly limit: number
  readonly timeoutSeconds: number
}

/** An update on its way to the bot. */
export interface Queued {
  readonly update: WireUpdate
  readonly kind: string
  readonly at: number
  /** The bot has been shown it. */
  given: boolean
}

interface Waiting {
  readonly limit: number
  answer(updates: readonly WireUpdate[]): void
  refuse(refusal: Refusal): void
}

const kinds: ReadonlySet<string> = new Set([
  'message',
  'edited_message',
  'channel_post',
  'edited_channel_post',
  'callback_query',
  'my_chat_member',
  'chat_member',
  'chat_join_request',
  'message_reaction',
  'message_reaction_count',
  'inline_query',
  'chosen_inline_result',
  'poll',
  'poll_answer',
  'stopped_message_generation',
])
const askedForOnly: ReadonlySet<string> = new Set([
  'chat_member',
  'message_reaction',
  'message_reaction_count',
])

/** The updates of one bot, and those who poll for them. */
export class Updates {
  readonly #limits: Limits
  readonly #now: () => number
  readonly #lint: Lint
  #queue: Queued[] = []
  #nextId = 1000
  #allowed: readonly string[] = []
  #waiting: Waiting | undefined
  #lastOffset: number | undefined
  #lastPollAt = -Infinity
  #lastConflictAt = -Infinity
  #lastEmptyAt = -Infinity
  webhook: string | undefined

  constructor(limits: Limits, now: () => number, lint: Lint) {
    this.#limits = limits
    this.#now = now
    this.#lint = lint
  }

  /** Updates that were not confirmed yet. */
  get pending(): readonly WireUpdate[] {
    this.#expire()
    return this.#queue.map(({ update }) => update)
  }

  get someoneWaits(): boolean {
    return this.#waiting !== undefined
  }

  /** After a quiet week the server begins its numbers anew, at random. */
  restartAt(id: number): void {
    if (this.#queue.length > 0) throw new Error('numbers restart only when nothing waits')
    this.#nextId = id
  }

  clear(): void {
    this.#queue = []
  }

  /** What was asked for holds until something else is asked for. */
  allow(names: readonly string[]): void {
    for (const name of names) {
      if (!kinds.has(name)) this.#lint(`allowed_updates names ${name}, which is no kind of update`)
    }
    // Names in vain alone are as good as none: what comes then is the usual.
    this.#allowed = names.filter((name) => kinds.has(name))
  }

  /** Undefined: the bot has not asked for this kind, so it never comes. */
  push(kind: string, payload: unknown): Queued | undefined {
    const wanted = this.#allowed.length === 0 ? !askedForOnly.has(kind) : this.#allowed.includes(kind)
    if (!wanted) return undefined
    const update = { update_id: this.#nextId++, [kind]: payload }
    const queued = { update, kind, at: this.#now(), given: false }
    this.#queue.push(queued)
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.answer(this.#give(waiting.limit))
    return queued
  }

  /** Answers at once when there is something, else when something comes or the time is over. */
  async poll(request: PollRequest, gone: AbortSignal): Promise<readonly WireUpdate[]> {
    this.#refuseBesideWebhook()
    const { offset, limit, timeoutSeconds } = this.#slowed(request)
    this.#confirm(offset)
    const ready = this.#give(limit)
    if (ready.length > 0) return ready
    if (timeoutSeconds === 0) {
      if (this.#now() - this.#lastEmptyAt < 1000) this.#lint('short polling: it asks again without waiting')
      this.#lastEmptyAt = this.#now()
      return []
    }
    await this.#endOther(gone)
    this.#refuseBesideWebhook()
    const late = this.#give(limit)
    return late.length > 0 ? late : this.#wait(limit, timeoutSeconds, gone)
  }

  #give(limit: number): readonly WireUpdate[] {
    this.#expire()
    const given = this.#queue.slice(0, limit)
    for (const one of given) one.given = true
    return given.map(({ update }) => update)
  }

  /** The same offset again and again is slowed down. */
  #slowed({ offset, limit, timeoutSeconds }: PollRequest): PollRequest {
    const { samePollMs } = this.#limits
    const now = this.#now()
    const again = offset === this.#lastOffset
    const ago = now - this.#lastPollAt
    this.#lastOffset = offset
    this.#lastPollAt = now
    return {
      offset,
      limit: again && ago < 500 ? 1 : limit,
      timeoutSeconds: Math.min(
        again && ago < samePollMs ? Math.max(timeoutSeconds, samePollMs / 1000) : timeoutSeconds,
        this.#limits.pollSeconds,
      ),
    }
  }

  /** Only an offset above an update's number confirms it; one that is far too high confirms nothing. */
  #confirm(offset: number): void {
    this.#expire()
    const last = this.#queue.at(-1)
    if (last === undefined) return
    if (offset < 0) this.#queue = this.#queue.slice(offset)
    else if (offset <= last.update.update_id + 10) {
      this.#queue = this.#queue.filter(({ update }) => update.update_id >= offset)
    }
  }

  #expire(): void {
    const now = this.#now()
    const { updateLifeMs, pressLifeMs } = this.#limits
    this.#queue = this.#queue.filter(
      ({ kind, at }) => now - at < (kind === 'callback_query' ? pressLifeMs : updateLifeMs),
    )
  }

  #refuseBesideWebhook(): void {
    if (this.webhook === undefined) return
    throw new Refusal(
      409,
      "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    )
  }

  /** Of two who wait, the older is sent away; whoever does that too often is made to wait. */
  async #endOther(gone: AbortSignal): Promise<void> {
    if (!this.#sendAway()) return
    const ago = this.#now() - this.#lastConflictAt
    this.#lastConflictAt = this.#now()
    if (ago < this.#limits.conflictDelayMs) await until(this.#limits.conflictDelayMs, gone)
  }

  #sendAway(): boolean {
    const other = this.#waiting
    this.#waiting = undefined
    other?.refuse(
      new Refusal(
        409,
        'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
      ),
    )
    return other !== undefined
  }

  #wait(limit: number, seconds: number, gone: AbortSignal): Promise<readonly WireUpdate[]> {
    if (gone.aborted) return Promise.resolve([])
    const { promise, resolve, reject } = Promise.withResolvers<readonly WireUpdate[]>()
    this.#sendAway()
    const waiting: Waiting = { limit, answer: resolve, refuse: reject }
    const end = (): void => {
      if (this.#waiting === waiting) this.#waiting = undefined
      resolve([])
    }
    this.#waiting = waiting
    const timer = setTimeout(end, seconds * 1000)
    gone.addEventListener('abort', end, { once: true })
    return promise.finally(() => {
      clearTimeout(timer)
      gone.removeEventListener('abort', end)
    })
  }
}

function until(ms: number, gone: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  gone.addEventListener('abort', () => resolve(), { once: true })
  return promise.finally(() => clearTimeout(timer))
}
