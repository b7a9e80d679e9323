import type { Memory } from '../../core/transport.ts'

/** Posts of which nobody ever asked again. */
const mostKept = 200
/** Numbers of which it is kept in mind whose they are. */
const mostSeen = 2000
/** Within this time a call whose answer was lost may still be on its way. */
const settleMs = 2000

/** Where in the numbers of messages a post began. */
interface Line {
  readonly after: number
  /** When it was made last: milliseconds since 1970. */
  readonly at: number
  readonly attempts: number
}

/**
 * Where in the numbers of messages a post has begun, written down before it is sent: if its answer is lost, its
 * message has one of the next numbers. Supergroups number their messages themselves; all other chats share a counter.
 */
export class Ledger {
  readonly #memory: Memory
  readonly #newest = new Map<string, number>()
  /** Whose the last numbers are, in the order of their coming: a post of ours in a chat, or another message. */
  readonly #seen = new Map<string, string>()
  /** How far the search for a post has come. */
  readonly #searched = new Map<string, number>()
  /** Lines that are not needed any more; they go with the next one. */
  readonly #done = new Set<string>()

  constructor(memory: Memory) {
    this.#memory = memory
    for (const [key, value] of memory.list('newest/'))
      this.#newest.set(key.slice('newest/'.length), Number(value))
    const lines = memory.list('post/').toSorted(([, a], [, b]) => lineOf(b).at - lineOf(a).at)
    for (const [line] of lines.slice(mostKept)) this.#done.add(line)
  }

  /**
   * There is a message of this number. `ours`: it is a post of the bot, perhaps just one that is looked for. Gives
   * what has to be remembered for it.
   */
  saw(chat: string, message: number, ours = false): Readonly<Record<string, string>> {
    this.#seen.set(`${counterOf(chat)} ${message}`, ours ? chat : 'no post')
    if (this.#seen.size > mostSeen) for (const oldest of this.#seen.keys().take(1)) this.#seen.delete(oldest)
    if (message <= this.newest(chat)) return {}
    this.#newest.set(counterOf(chat), message)
    return { [`newest/${counterOf(chat)}`]: String(message) }
  }

  /** The highest number that is known; 0 where none is. */
  newest(chat: string): number {
    return this.#newest.get(counterOf(chat)) ?? 0
  }

  /** Is it known that this is the number of something that is no post, or of one in another chat? */
  isElsewhere(chat: string, message: number): boolean {
    return (this.#seen.get(`${counterOf(chat)} ${message}`) ?? chat) !== chat
  }

  /**
   * Writes down that a post begins. `answered`: the number of the message in this chat that it answers, and so has a
   * higher number than. Throws when the disk will not take it.
   */
  begin(key: string, chat: string, at: number, answered = 0): void {
    this.#searched.delete(key)
    const line = `post/${key}`
    const earlier = this.#done.delete(line) ? undefined : this.#line(key)
    // A second attempt must not hide where the first one began.
    const after = earlier?.after ?? Math.max(this.newest(chat), answered)
    this.#memory.remember({
      ...Object.fromEntries([...this.#done].map((one) => [one, null])),
      [`newest/${counterOf(chat)}`]: String(this.newest(chat)),
      [line]: `${after} ${at} ${(earlier?.attempts ?? 0) + 1}`,
    })
    this.#done.clear()
  }

  /** This attempt was surely not carried out: the post has its end, unless an earlier attempt is in doubt. */
  refused(key: string): void {
    if ((this.#line(key)?.attempts ?? 1) <= 1) this.end(key)
  }

  /** The post has a known end. */
  end(key: string): void {
    this.#done.add(`post/${key}`)
    this.#searched.delete(key)
  }

  /** The highest number that was known when this post began; undefined where nobody knows. */
  begunAfter(key: string): number | undefined {
    const after = this.#line(key)?.after ?? 0
    return after > 0 ? after : undefined
  }

  /** The post is at none of the numbers up to this one: where its search is sent away, it goes on from there. */
  missed(key: string, message: number): void {
    this.#searched.set(key, message)
  }

  searchedTo(key: string): number {
    return this.#searched.get(key) ?? 0
  }

  /** Milliseconds for which the last attempt may still be on its way. */
  unsettledMs(key: string, now: number): number {
    const at = this.#line(key)?.at ?? 0
    const left = at + settleMs - now
    // Where the clock was set back far behind it, nobody knows; it must not stay so until the clock is there again.
    return left > 2 * settleMs ? 0 : Math.min(settleMs, Math.max(0, left))
  }

  #line(key: string): Line | undefined {
    const text = this.#memory.recall(`post/${key}`)
    return text === undefined ? undefined : lineOf(text)
  }
}

/** Zeros for what makes no sense, or was not written down in earlier versions. */
function lineOf(text: string): Line {
  const [after = 0, at = 0, attempts = 0] = /^\d{1,15}(?: \d{1,15})*$/.test(text)
    ? text.split(' ').map(Number)
    : []
  return { after, at, attempts }
}

function counterOf(chat: string): string {
  return chat.startsWith('-100') ? chat : 'shared'
}
