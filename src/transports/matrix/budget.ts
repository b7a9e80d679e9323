import { MatrixError } from './client.ts'

/** A homeserver allows so many events at once at least, and then one in each interval. */
const mostAtOnce = 8
/** What is only for the look leaves so many to the words. */
const leftToWords = 3
const longestIntervalMs = 60_000
/** A homeserver that has not complained for so long is asked without counting. */
const forgottenAfterMs = 30 * 60_000
/** After so long without a complaint, it is asked a little sooner each time. */
const calmMs = 2 * 60_000
const shortestIntervalMs = 500

/** It would be too much now; `afterMs` says when to try. */
export class TooSoon extends Error {
  override readonly name = 'TooSoon'
  readonly afterMs: number

  constructor(afterMs: number) {
    super('the homeserver would not take it yet')
    // A little more: two clocks never agree.
    this.afterMs = Math.ceil(afterMs) + 50
  }
}

/**
 * How many events the homeserver will take from the bot now. It does not tell its limits before they are reached:
 * from then on they are counted here, so that answers need not wait for what is only for the look, and nothing is
 * asked for that will be refused.
 */
export class Budget {
  readonly #now: () => number
  /** Undefined: no limit was met. */
  #intervalMs: number | undefined
  /** The longest wait that it asked for. */
  #longestAskedMs = 0
  #left = 0
  #countedAt = 0
  #complainedAt = 0

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** What a stream of progress should leave between two messages; undefined where there is no limit. */
  get paceMs(): number | undefined {
    this.#count()
    return this.#intervalMs === undefined ? undefined : this.#intervalMs * 2
  }

  /** Makes one call that the homeserver counts. Throws `TooSoon` without making it, or what it throws. */
  async spend<T>(what: 'words' | 'looks', call: () => Promise<T>): Promise<T> {
    this.#count()
    const needed = what === 'words' ? 1 : 1 + leftToWords
    if (this.#intervalMs !== undefined) {
      if (this.#left < needed) throw new TooSoon((needed - this.#left) * this.#intervalMs)
      this.#left -= 1
    }
    try {
      const answer = await call()
      this.#taken()
      return answer
    } catch (error) {
      if (error instanceof MatrixError && error.rateLimited) this.#refused(error.retryAfterMs ?? 5000)
      throw error
    }
  }

  /** The next one will be taken in so many milliseconds. */
  #refused(afterMs: number): void {
    const now = this.#now()
    const known = this.#intervalMs
    const longer = known === undefined ? afterMs : known + Math.max(afterMs / 2, known / 50)
    this.#longestAskedMs = Math.min(Math.max(this.#longestAskedMs, afterMs), longestIntervalMs)
    // What it asked for may be less than its interval, but never much: others may write as the bot, too.
    const longest = 2 * this.#longestAskedMs
    this.#intervalMs = Math.max(Math.min(longer, longest), this.#longestAskedMs, shortestIntervalMs)
    this.#left = 1 - Math.min(1, afterMs / this.#intervalMs)
    this.#countedAt = now
    this.#complainedAt = now
  }

  /** A complaint may have been one of a bad hour. */
  #taken(): void {
    if (this.#intervalMs === undefined || this.#now() - this.#complainedAt < calmMs) return
    this.#intervalMs *= 0.9
    if (this.#intervalMs < shortestIntervalMs) this.#forget()
  }

  #forget(): void {
    this.#intervalMs = undefined
    this.#longestAskedMs = 0
  }

  #count(): void {
    if (this.#intervalMs === undefined) return
    const now = this.#now()
    if (now - this.#complainedAt > forgottenAfterMs) {
      this.#forget()
      return
    }
    this.#left = Math.min(mostAtOnce, this.#left + (now - this.#countedAt) / this.#intervalMs)
    this.#countedAt = now
  }
}
