import type { Limits } from './telegram-limits.fake.ts'
import { Refusal, type Lint } from './telegram-refusal.fake.ts'

interface Window {
  /** When the calls were made that still count. */
  calls: number[]
  restUntil: number
  penaltySeconds: number
}

/** Counts sends and edits, which share one budget, and sends away whoever makes too many. */
export class Flood {
  readonly #limits: Limits
  readonly #now: () => number
  readonly #lint: Lint
  readonly #windows = new Map<string, Window>()

  constructor(limits: Limits, now: () => number, lint: Lint) {
    this.#limits = limits
    this.#now = now
    this.#lint = lint
  }

  /**
   * Throws a 429 when this call to the chat is one too many. An album counts as all of its messages, and has to fit
   * in whole, as far as that is possible at all.
   */
  spend(chat: number, messages = 1): void {
    if (!this.#limits.flood) return
    const { privatePerSecond, privateBurst, groupPerMinute, perSecond } = this.#limits
    this.#count('bot', perSecond, 1000, messages)
    if (chat < 0) this.#count(String(chat), groupPerMinute, 60_000, messages)
    else this.#count(String(chat), privateBurst, (privateBurst / privatePerSecond) * 1000, messages)
  }

  /** An edit that finds no message of the bot. */
  spendMiss(chat: number): void {
    if (this.#limits.flood) this.#count(`misses ${chat}`, this.#limits.missesPerSecond, 1000)
  }

  /** Drafts have a budget of their own. */
  spendDraft(chat: number): void {
    if (!this.#limits.flood) return
    const { draftBurst, draftsPerSecond } = this.#limits
    this.#count(`draft ${chat}`, draftBurst, (draftBurst / draftsPerSecond) * 1000)
  }

  #count(key: string, most: number, spanMs: number, messages = 1): void {
    const now = this.#now()
    const window = this.#windows.get(key) ?? { calls: [], restUntil: 0, penaltySeconds: 0 }
    this.#windows.set(key, window)
    if (now < window.restUntil) {
      this.#lint(`a call to ${key} inside the time of rest that it was told`)
      throw tooMany(window.restUntil - now)
    }
    window.calls = window.calls.filter((at) => at > now - spanMs)
    if (window.calls.length + Math.min(messages, most) <= most) {
      window.calls.push(...Array.from({ length: messages }, () => now))
      return
    }
    const { firstPenaltySeconds, longestPenaltySeconds } = this.#limits
    window.penaltySeconds = Math.min(
      window.penaltySeconds === 0 ? firstPenaltySeconds : window.penaltySeconds * 2,
      longestPenaltySeconds,
    )
    window.restUntil = now + window.penaltySeconds * 1000
    throw tooMany(window.penaltySeconds * 1000)
  }
}

export function tooMany(ms: number): Refusal {
  const seconds = Math.max(1, Math.ceil(ms / 1000))
  return new Refusal(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds })
}
