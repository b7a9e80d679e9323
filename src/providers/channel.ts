/** A queue between one writer and one reader. What is put after `end` is dropped. */
export class Channel<T> {
  readonly #waiting: T[] = []
  #ended = false
  #wake: (() => void) | undefined

  put(item: T): void {
    if (this.#ended) return
    this.#waiting.push(item)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      yield* this.#waiting.splice(0)
      if (this.#waiting.length > 0) continue
      if (this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}
