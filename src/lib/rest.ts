/** A time of rest, by a clock that may be set back meanwhile: it is never longer than it was to be. */
export class Rest {
  #until: number
  #ms = Infinity

  /** `until`: of one that began earlier, nobody knows when. */
  constructor(until = -Infinity) {
    this.#until = until
  }

  begin(ms: number, now: number): void {
    this.#until = now + ms
    this.#ms = ms
  }

  leftMs(now: number): number {
    if (this.#until - now > this.#ms) this.begin(this.#ms, now)
    if (this.#until > now) return this.#until - now
    this.#until = -Infinity
    return 0
  }
}
