/** Something that runs turns, one at a time. */
export interface Runner {
  /** Its turn waits for a person, and works on nothing until that person has answered. */
  readonly resting: boolean
}

/** How many turns run at once: each of them is an agent's process. Those beyond wait, first come, first served. */
export class TurnLimit {
  readonly #most: () => number
  readonly #inside = new Set<Runner>()
  readonly #waiting: (() => void)[] = []

  constructor(most: () => number) {
    this.#most = most
  }

  /** Resolves when the runner may run its turn; until then it has `sayThatItWaits`. It must `leave` afterwards. */
  async enter(runner: Runner, sayThatItWaits: () => Promise<void>): Promise<void> {
    if (this.#waiting.length > 0 || !this.#hasRoom()) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(() => {
        this.#inside.add(runner)
        resolve()
      })
      await sayThatItWaits()
      return promise
    }
    this.#inside.add(runner)
  }

  leave(runner: Runner): void {
    this.#inside.delete(runner)
    this.review()
  }

  /** A turn has begun to wait for a person, or the limit has changed: there may be room. */
  review(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) this.#waiting.shift()?.()
  }

  /** Who waits for a person holds nobody else up; when the answer comes, one more may run for a while. */
  #hasRoom(): boolean {
    const working = [...this.#inside].filter(({ resting }) => !resting).length
    return working < this.#most()
  }
}
