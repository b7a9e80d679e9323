/** A queue between one writer and one reader. What is put after `end` is dropped. */
export class Channel<T> {
  readonly #waiting: T[] = []
  #ended = false
  #wake: (() => void) | undefined
  #taken: (() => void) | undefined

  put(item: T): void {
    if (this.#ended) return
    this.#waiting.push(item)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
    this.#taken?.()
  }

  /** Resolves when at most `most` items wait to be read, or nothing more can be put: for a writer that can wait. */
  async room(most: number): Promise<void> {
    while (this.#waiting.length > most && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#taken = resolve
      })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const taken = this.#waiting.splice(0)
      this.#taken?.()
      yield* taken
      if (this.#waiting.length > 0) continue
      if (this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}
