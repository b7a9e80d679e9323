import { span } from '../../lib/span.ts'
import type { RateLimits } from './wire.ts'

const warnAtPercent = 90

/** What is left of the account's allowance, as the last call to the vendor told. */
export class Limits {
  #last: RateLimits = {}
  /** Until when nobody need be warned again, in seconds since 1970, by the length of the window. */
  readonly #warned = new Map<number, number>()

  /** Gives a warning, once for each window that is nearly used up. */
  update(limits: RateLimits, now = Date.now()): string | undefined {
    this.#last = {
      primary: limits.primary ?? this.#last.primary,
      secondary: limits.secondary ?? this.#last.secondary,
    }
    for (const { usedPercent, resetsAt, windowDurationMins: minutes } of this.#windows()) {
      if (usedPercent < warnAtPercent || !resetsAt) continue
      if ((this.#warned.get(minutes ?? 0) ?? 0) * 1000 > now) continue
      this.#warned.set(minutes ?? 0, resetsAt)
      return `${Math.round(usedPercent)} % of the usage limit are used.${resetWords(resetsAt, now)}`
    }
    return undefined
  }

  /** When the fullest window begins anew, as a sentence with a space before it; undefined where nobody knows. */
  resets(now = Date.now()): string | undefined {
    const full = this.#windows().toSorted((a, b) => b.usedPercent - a.usedPercent)[0]
    return full?.resetsAt && full.resetsAt * 1000 > now ? resetWords(full.resetsAt, now) : undefined
  }

  #windows() {
    return [this.#last.primary, this.#last.secondary].filter((each) => each !== null && each !== undefined)
  }
}

/** `at`: seconds since 1970. */
function resetWords(at: number, now: number): string {
  const clock = new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ')
  return ` It is reset in ${span(at * 1000 - now)}, at ${clock} UTC.`
}
