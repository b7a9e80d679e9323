import type { Memory } from '../../core/transport.ts'

/** Posts of which nobody ever asked again. */
const mostKept = 200

/**
 * Where in the numbers of messages a post has begun, written down before it is sent: if its answer is lost, its
 * message has one of the next numbers. Supergroups number their messages themselves; all other chats share a counter.
 */
export class Ledger {
  readonly #memory: Memory
  readonly #newest = new Map<string, number>()
  /** Lines that are not needed any more; they go with the next one. */
  readonly #done = new Set<string>()

  constructor(memory: Memory) {
    this.#memory = memory
    for (const [key, value] of memory.list('newest/'))
      this.#newest.set(key.slice('newest/'.length), Number(value))
    const lines = memory.list('post/')
    for (const [line] of lines.slice(0, Math.max(0, lines.length - mostKept))) this.#done.add(line)
  }

  /** There is a message of this number. Gives what has to be remembered for it. */
  saw(chat: string, message: number): Readonly<Record<string, string>> {
    if (message <= this.newest(chat)) return {}
    this.#newest.set(counterOf(chat), message)
    return { [`newest/${counterOf(chat)}`]: String(message) }
  }

  /** The highest number that is known; 0 where none is. */
  newest(chat: string): number {
    return this.#newest.get(counterOf(chat)) ?? 0
  }

  /** Throws when the disk will not take it. */
  begin(key: string, chat: string): void {
    const line = `post/${key}`
    this.#done.delete(line)
    // A second attempt must not hide where the first one began.
    if (this.#memory.recall(line) !== undefined) return
    const newest = String(this.newest(chat))
    this.#memory.remember({
      ...Object.fromEntries([...this.#done].map((one) => [one, null])),
      [`newest/${counterOf(chat)}`]: newest,
      [line]: newest,
    })
    this.#done.clear()
  }

  /** The post has a known end. */
  end(key: string): void {
    this.#done.add(`post/${key}`)
  }

  /** The highest number that was known when this post began; undefined where nobody knows. */
  begunAfter(key: string): number | undefined {
    const number = Number(this.#memory.recall(`post/${key}`) ?? 0)
    return Number.isSafeInteger(number) && number > 0 ? number : undefined
  }
}

function counterOf(chat: string): string {
  return chat.startsWith('-100') ? chat : 'shared'
}
