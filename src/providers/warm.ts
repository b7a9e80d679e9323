import { totalmem } from 'node:os'

const lookEveryMs = 15_000
/** Bytes that should stay free: a tenth of the machine, but never more than this. */
const mostSpared = 512 * 1024 * 1024

/** A process (or what stands for one) that can wait for another turn. */
export interface Keepable {
  /** It is at work though no turn of ours runs: it may be kept for longer and over the number. */
  readonly busy?: boolean
  /** Ends it; never rejects. */
  close(): Promise<void>
}

export interface WarmLimits {
  /** Milliseconds that one waits at most. */
  readonly idleMs: number
  /** How many wait at most; the one that has waited longest goes first. */
  readonly maxWarm: number
  /** Is the machine short of memory? Looked at every 15 seconds while something waits; then the oldest goes. */
  readonly memoryIsShort?: () => boolean
}

/**
 * What is kept between turns, by a key. `take` hands one over to whoever runs the next turn, `keep` gives it back: what
 * is in use is not here, and is nobody's to close. One timer for all, and none where nothing waits.
 */
export class Warm<T extends Keepable> {
  readonly #limits: WarmLimits
  /** Longest waiting first. */
  readonly #waiting = new Map<string, { readonly item: T; readonly since: number }>()
  readonly #closing = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(limits: WarmLimits) {
    this.#limits = limits
  }

  /** What waits under this key, without taking it. */
  look(key: string): T | undefined {
    return this.#waiting.get(key)?.item
  }

  /** All that waits, longest waiting first. */
  entries(): readonly (readonly [key: string, item: T])[] {
    return [...this.#waiting].map(([key, { item }]) => [key, item])
  }

  /** Hands it over: it is the caller's now, to keep again or to close. */
  take(key: string): T | undefined {
    const item = this.look(key)
    this.#waiting.delete(key)
    this.#rest()
    return item
  }

  /** Lets it wait. What waited under this key before is closed; after `close`, so is this. */
  keep(key: string, item: T): void {
    const before = this.take(key)
    if (before !== undefined && before !== item) this.#end(before)
    if (this.#closed) return this.#end(item)
    this.#waiting.set(key, { item, since: performance.now() })
    for (const [oldest] of this.#idle()) {
      if (this.#waiting.size <= this.#limits.maxWarm) break
      this.#drop(oldest)
    }
    this.#rest()
  }

  /** Closes what waits under this key, and resolves when that and all that was closed before is gone. */
  async drop(key: string): Promise<void> {
    this.#drop(key)
    this.#rest()
    await Promise.all(this.#closing)
  }

  /** Closes all, now and from now on. */
  async close(): Promise<void> {
    this.#closed = true
    for (const key of this.#waiting.keys()) this.#drop(key)
    this.#rest()
    await Promise.all(this.#closing)
  }

  #drop(key: string): void {
    const item = this.look(key)
    this.#waiting.delete(key)
    if (item !== undefined) this.#end(item)
  }

  #end(item: T): void {
    const closed = item.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }

  #idle() {
    return [...this.#waiting].filter(([, { item }]) => item.busy !== true)
  }

  #rest(): void {
    if (this.#waiting.size === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
      return
    }
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => this.#lookAround(), Math.min(this.#limits.idleMs, lookEveryMs))
    this.#timer.unref()
  }

  #lookAround(): void {
    this.#timer = undefined
    const latest = performance.now() - this.#limits.idleMs
    for (const [key, { since }] of this.#idle()) if (since <= latest) this.#drop(key)
    const { memoryIsShort = tightMachine } = this.#limits
    const [oldest] = this.#idle()
    // One at a time: its memory is not back at once.
    if (oldest !== undefined && memoryIsShort()) this.#drop(oldest[0])
    this.#rest()
  }
}

/** Has the machine (or the container that we are in) little memory left? */
function tightMachine(): boolean {
  const limit = process.constrainedMemory()
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  return process.availableMemory() < Math.min(total / 10, mostSpared)
}
