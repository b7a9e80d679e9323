import type { TransportReport } from './core/transport.ts'
import { span } from './lib/span.ts'

export interface OutageWatchDeps {
  /** Tells the owner on every transport but `except`. `key` is unique for the outage. */
  readonly tell: (key: string, text: string, except: string) => void
  /** For how long a transport may fail before anybody is told. */
  readonly patienceMs?: number
  readonly now?: () => number
}

interface Outage {
  readonly since: number
  readonly timer: NodeJS.Timeout
  told: boolean
}

/** Tells the owner of a transport that has gone deaf, on the others; and that it hears again. */
export class OutageWatch {
  readonly #deps: OutageWatchDeps
  readonly #outages = new Map<string, Outage>()

  constructor(deps: OutageWatchDeps) {
    this.#deps = deps
  }

  meet(transport: string, { state, detail }: TransportReport): void {
    const known = this.#outages.get(transport)
    if (state === 'failed') {
      if (known === undefined) this.#begin(transport, detail)
      return
    }
    if (state === 'connecting' || known === undefined) return
    clearTimeout(known.timer)
    this.#outages.delete(transport)
    if (!known.told || state !== 'connected') return
    const text = `${transport} hears again, after ${span(this.#now() - known.since)}.`
    this.#deps.tell(`outage/${transport}/${known.since}/over`, text, transport)
  }

  close(): void {
    for (const { timer } of this.#outages.values()) clearTimeout(timer)
    this.#outages.clear()
  }

  #begin(transport: string, detail: string | undefined): void {
    const since = this.#now()
    const patienceMs = this.#deps.patienceMs ?? 90_000
    const timer = setTimeout(() => {
      const outage = this.#outages.get(transport)
      if (outage === undefined) return
      outage.told = true
      const why = detail === undefined ? '' : `: ${detail}`
      const text = `⚠ ${transport} has not been hearing anything for ${span(patienceMs)}${why}`
      this.#deps.tell(`outage/${transport}/${since}`, text, transport)
    }, patienceMs).unref()
    this.#outages.set(transport, { since, timer, told: false })
  }

  #now(): number {
    return this.#deps.now?.() ?? Date.now()
  }
}
