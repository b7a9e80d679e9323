/** Milliseconds of silence. */
export interface SilenceLimits {
  /** Until the person is told. */
  readonly noticeMs: number
  /** Until the turn is ended. */
  readonly stopMs: number
}

/** Watches that a turn goes on. While it is held (a person is asked), silence is nobody's fault. */
export class Silence {
  readonly #limits: SilenceLimits
  readonly #tell: (ms: number) => void
  readonly #stop: (ms: number) => void
  #timer: NodeJS.Timeout | undefined
  #since = performance.now()
  #told = false
  #held = false

  constructor(limits: SilenceLimits, tell: (ms: number) => void, stop: (ms: number) => void) {
    this.#limits = limits
    this.#tell = tell
    this.#stop = stop
    this.#rest(limits.noticeMs)
  }

  /** Something was heard. */
  broken(): void {
    this.#since = performance.now()
    this.#told = false
  }

  hold(held: boolean): void {
    this.#held = held
    this.broken()
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #rest(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.max(ms, 1))
    this.#timer.unref()
  }

  #look(): void {
    const { noticeMs, stopMs } = this.#limits
    if (this.#held) return this.#rest(noticeMs)
    const silent = performance.now() - this.#since
    if (silent >= stopMs) return this.#stop(stopMs)
    if (silent >= noticeMs && !this.#told) {
      this.#told = true
      this.#tell(noticeMs)
    }
    this.#rest((this.#told ? stopMs : noticeMs) - silent)
  }
}

/** `3 minutes`; for a person, rounded. */
export function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000))
  const [count, unit] = seconds < 120 ? [seconds, 'second'] : [Math.round(seconds / 60), 'minute']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
