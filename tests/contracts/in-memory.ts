import type { Inbound } from '../../src/core/message.ts'
import type { Intake, Memory } from '../../src/core/transport.ts'

/** What the store is to a source, without a disk. It outlives the transports that are opened on it. */
export class InMemoryStore implements Memory {
  readonly #pairs = new Map<string, string>()
  readonly #ids = new Set<string>()
  readonly #taken: Inbound[] = []
  readonly #offered: Inbound[] = []

  /** What was taken, each id once, in the order of its coming. */
  get taken(): readonly Inbound[] {
    return [...this.#taken]
  }

  /** All that was ever handed over, whether it was taken or not, and again when it came again. */
  get offered(): readonly Inbound[] {
    return [...this.#offered]
  }

  recall(key: string): string | undefined {
    return this.#pairs.get(key)
  }

  list(prefix: string): readonly (readonly [key: string, value: string])[] {
    return [...this.#pairs]
      .filter(([key]) => key.startsWith(prefix))
      .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  }

  remember(entries: Readonly<Record<string, string | null>>): void {
    for (const [key, value] of Object.entries(entries)) {
      if (value === null) this.#pairs.delete(key)
      else this.#pairs.set(key, value)
    }
  }

  /** Takes everything until `signal` is aborted. */
  intake(signal: AbortSignal): Intake {
    return this.#intake(async (batch, remember) => {
      signal.throwIfAborted()
      for (const inbound of batch) {
        if (this.#ids.has(inbound.id)) continue
        this.#ids.add(inbound.id)
        this.#taken.push(inbound)
      }
      this.remember(remember)
    })
  }

  /** Keeps no event, as on a full disk: the taking waits until `signal` is aborted, and then rejects. */
  fullIntake(signal: AbortSignal): Intake {
    return this.#intake((batch, remember) => {
      if (batch.length === 0) {
        this.remember(remember)
        return Promise.resolve()
      }
      const { promise, reject } = Promise.withResolvers<void>()
      if (signal.aborted) reject(signal.reason)
      else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      return promise
    })
  }

  #intake(
    keep: (batch: readonly Inbound[], remember: Readonly<Record<string, string | null>>) => Promise<void>,
  ): Intake {
    return {
      recall: (key) => this.recall(key),
      list: (prefix) => this.list(prefix),
      remember: (entries) => this.remember(entries),
      take: (batch, remember = {}) => {
        this.#offered.push(...batch)
        return keep(batch, remember)
      },
    }
  }
}
