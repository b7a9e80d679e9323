/** What the pages are told as it happens. */
export interface Told {
  readonly event: 'message' | 'removed' | 'conversations' | 'typing' | 'pressed'
  readonly data: unknown
}

/** So much may wait for a page that reads too slowly; then it is let go, and comes back for the whole. */
const patience = 1000

/** The pages that are open now. */
export class Audience {
  readonly #pages = new Set<Page>()

  join(signal: AbortSignal): Page {
    const page = new Page()
    this.#pages.add(page)
    const leave = () => {
      page.end()
      this.#pages.delete(page)
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    return page
  }

  tell(told: Told): void {
    for (const page of this.#pages) if (!page.take(told)) this.#pages.delete(page)
  }

  dismiss(): void {
    for (const page of this.#pages) page.end()
    this.#pages.clear()
  }
}

export class Page implements AsyncIterable<Told> {
  readonly #waiting: Told[] = []
  #wake: (() => void) | undefined
  #ended = false

  /** False: this page was too slow, and hears no more. */
  take(told: Told): boolean {
    if (this.#waiting.length >= patience) this.end()
    else this.#waiting.push(told)
    this.#wake?.()
    return !this.#ended
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Told> {
    while (!this.#ended) {
      const told = this.#waiting.shift()
      if (told !== undefined) yield told
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}
