/** What a chat, and the bot as a whole, may spend: so many calls within so long a time. */
interface Allowance {
  readonly calls: number
  readonly spanMs: number
}

/** A person's chat takes a message a second, with a little patience. */
const privately: Allowance = { calls: 5, spanMs: 5000 }
/** All topics of a group share this, and edits count like messages. */
const inGroup: Allowance = { calls: 20, spanMs: 60_000 }
const altogether: Allowance = { calls: 28, spanMs: 1000 }
/** Of what a group takes, so much is kept for answers and questions. */
const kept = 5
/** Telegram counts when a call arrives; ours count when they leave. */
const marginMs = 500
const wholeBot = ''

/** Counts the calls that post or change messages, so that Telegram need not send us away. */
export class Budget {
  readonly #spent = new Map<string, number[]>()

  /** An album counts as all of its messages. */
  spend(chat: string, now: number, messages = 1): void {
    const more = Array.from({ length: messages }, () => now)
    for (const key of [chat, wholeBot]) this.#spent.set(key, [...this.#within(key, now), ...more])
    if (this.#spent.size > mostChats) this.#forget(now)
  }

  /** Milliseconds until this chat takes another call: one that makes so many messages. */
  waitMs(chat: string, now: number, messages = 1): number {
    const waits = [chat, wholeBot].map((key) => {
      const { calls } = allowanceOf(key)
      return this.#until(key, Math.max(1, calls - messages + 1), now)
    })
    return Math.max(...waits)
  }

  /** Milliseconds between two showings of progress in this chat, at least `leastMs`. */
  paceMs(chat: string, leastMs: number, now: number): number {
    const { calls, spanMs } = allowanceOf(chat)
    const share = isGroup(chat) ? calls - kept : calls
    return Math.max(leastMs, spanMs / share) + this.#until(chat, share, now)
  }

  /** Milliseconds until fewer than `most` calls count. */
  #until(key: string, most: number, now: number): number {
    const calls = this.#within(key, now)
    const blocking = calls[calls.length - most]
    return blocking === undefined ? 0 : blocking + allowanceOf(key).spanMs + marginMs - now
  }

  #within(key: string, now: number): readonly number[] {
    const { spanMs } = allowanceOf(key)
    // What lies far ahead was counted before the clock was set back.
    return (this.#spent.get(key) ?? []).filter((at) => Math.abs(now - at) < spanMs + marginMs)
  }

  #forget(now: number): void {
    for (const key of this.#spent.keys()) if (this.#within(key, now).length === 0) this.#spent.delete(key)
  }
}

const mostChats = 500

function allowanceOf(key: string): Allowance {
  if (key === wholeBot) return altogether
  return isGroup(key) ? inGroup : privately
}

export function isGroup(chat: string): boolean {
  return chat.startsWith('-')
}
