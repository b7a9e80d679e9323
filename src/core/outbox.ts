import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Log } from './define.ts'
import type { Place } from './message.ts'
import { Lane } from './outbox-lane.ts'
import { Ledger } from './outbox-ledger.ts'
import type { Publication } from './outbox-step.ts'
import type { PublicationRow, Store } from './store.ts'
import type { Transport } from './transport.ts'

export type { Publication } from './outbox-step.ts'

export interface OutboxDeps {
  readonly store: Store
  readonly transports: ReadonlyMap<string, Transport>
  readonly log: Log
  /** Writes until the disk takes it. */
  readonly keep: <T>(write: () => T, signal: AbortSignal) => Promise<T>
  readonly now?: () => number
}

/** Chats in which nothing is to be done beyond so many are forgotten. */
const mostQuietLanes = 500

/**
 * Makes each chat show what it should: compares what is posted with what the transport renders, and makes one call
 * after another until they agree. A lane for each chat keeps its order; lanes do not wait for each other.
 */
export class Outbox {
  readonly #deps: OutboxDeps
  readonly #ledger: Ledger
  readonly #lanes = new Map<string, Lane>()
  readonly #closing = new AbortController()
  /** What the lanes are doing now. */
  readonly #rounds = new Set<Promise<void>>()
  #breathing: Promise<void> = Promise.resolve()

  constructor(deps: OutboxDeps) {
    this.#deps = deps
    this.#ledger = new Ledger(deps.store)
  }

  /** Takes up what an earlier run left unfinished. */
  resume(): void {
    for (const row of this.#deps.store.publicationsIn('final')) this.#put(finalOf(row), true)
  }

  /** A final publication is durable when this returns; call it inside the transaction that makes it true. */
  show(publication: Publication): void {
    if (publication.final) this.#ledger.save(publication, 'final')
    this.#put(publication, publication.final)
  }

  /** The messages of this publication shall go. */
  withdraw(key: string, place: Place): void {
    const known = this.#lanes.get(laneKey(place))?.has(key) === true
    if (!known && this.#deps.store.publication(key) === undefined) return
    this.show({ key, place, view: { state: 'ended', parts: [], choices: [] }, final: true })
  }

  /** The transport hears again: what waited for it need not wait any longer. */
  wake(transport: string): void {
    for (const [key, lane] of this.#lanes) if (key.startsWith(`${transport}\n`)) lane.wake()
  }

  /** Lets the calls that are under way end, and begins no other. What is final is taken up by the next start. */
  async close(graceMs: number): Promise<void> {
    const limit = setTimeout(() => this.#closing.abort(), graceMs)
    const idle = () => [...this.#lanes.values()].every((lane) => !lane.hasFinal)
    while (this.#rounds.size > 0 && !this.#closing.signal.aborted && !idle()) await Promise.race(this.#rounds)
    clearTimeout(limit)
    this.#closing.abort()
    for (const lane of this.#lanes.values()) lane.close()
    await Promise.allSettled(this.#rounds)
  }

  #put(publication: Publication, saved: boolean): void {
    const { store } = this.#deps
    this.#lane(publication.place).put(publication, saved, () => store.posts(publication.key))
  }

  #lane(place: Place): Lane {
    const key = laneKey(place)
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const { store, log, keep, transports, now = Date.now } = this.#deps
    const { signal } = this.#closing
    const lane = new Lane({
      store,
      ledger: this.#ledger,
      get transport() {
        return transports.get(place.transport)
      },
      log,
      now,
      signal,
      keep: (write) => keep(write, signal),
      breath: () => this.#breath(),
      begun: (round) => this.#note(round),
    })
    this.#lanes.set(key, lane)
    if (this.#lanes.size > mostQuietLanes * 2) this.#forgetQuiet()
    return lane
  }

  #forgetQuiet(): void {
    for (const [key, lane] of this.#lanes) {
      if (this.#lanes.size <= mostQuietLanes) return
      if (lane.quiet) this.#lanes.delete(key)
    }
  }

  #note(round: Promise<void>): void {
    this.#rounds.add(round)
    void round.finally(() => this.#rounds.delete(round))
  }

  /** Rendering takes its time: between two of them, everything else has its turn. */
  #breath(): Promise<void> {
    this.#breathing = this.#breathing.then(() => nextTurn())
    return this.#breathing
  }
}

function finalOf({ key, place, view, turn, replyTo }: PublicationRow): Publication {
  return {
    key,
    place,
    view,
    final: true,
    ...(turn === undefined ? {} : { turn }),
    ...(replyTo === undefined ? {} : { replyTo }),
  }
}

function laneKey({ transport, chat }: Place): string {
  return `${transport}\n${chat}`
}
