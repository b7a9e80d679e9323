import { Rest } from '../lib/rest.ts'
import type { Log } from './define.ts'
import { call, type CallDeps } from './outbox-call.ts'
import { nextStep, type Publication, type Shown, type Step } from './outbox-step.ts'
import type { PostRow } from './store.ts'
import type { Transport } from './transport.ts'

export interface LaneDeps extends CallDeps {
  /** Undefined where it is not configured any more: what it should show waits, in case it comes back. */
  readonly transport: Transport | undefined
  readonly log: Log
  readonly now: () => number
  /** Lets everything else have its turn: rendering takes its time. */
  readonly breath: () => Promise<void>
  /** A round of work has begun; it never rejects. */
  readonly begun: (round: Promise<void>) => void
}

const longestPauseMs = 60_000
const mostFaults = 3
const faultPauseMs = 200

/** One chat: what it should show, and one call after another until it does. */
export class Lane {
  readonly #deps: LaneDeps
  readonly #shown = new Map<string, Shown>()
  readonly #rest = new Rest()
  #lastProgressAt = -Infinity
  #failures = 0
  #working = false
  /** Something was shown since the round began. */
  #again = false
  #timer: NodeJS.Timeout | undefined

  constructor(deps: LaneDeps) {
    this.#deps = deps
  }

  has(key: string): boolean {
    return this.#shown.has(key)
  }

  /** Something that must come to be seen waits here. */
  get hasFinal(): boolean {
    return [...this.#shown.values()].some(({ publication }) => publication.final)
  }

  /** Nothing is to be done, and its pace is no longer to be kept. */
  get quiet(): boolean {
    const now = this.#deps.now()
    const paced = now - this.#lastProgressAt < longestPauseMs
    return this.#shown.size === 0 && !this.#working && this.#rest.leftMs(now) === 0 && !paced
  }

  /** `posts`: what is known of its messages; read only where the lane does not know it. */
  put(publication: Publication, saved: boolean, posts: () => readonly PostRow[]): void {
    const shown = this.#shown.get(publication.key)
    if (shown === undefined) {
      const known = saved ? posts() : []
      this.#shown.set(publication.key, { publication, posts: known, saved, blocked: false, faults: 0 })
    } else {
      // A final view stays final: nothing that comes late may undo it.
      if (shown.publication.final && !publication.final) return
      shown.publication = publication
      shown.saved ||= saved
      shown.blocked &&= !publication.final
    }
    this.#work()
  }

  /** What waited for the network need not wait any longer. */
  wake(): void {
    if (this.#failures > 0) this.#rest.begin(0, this.#deps.now())
    this.#work()
  }

  /** Begins nothing by itself any more. */
  close(): void {
    clearTimeout(this.#timer)
  }

  #work(): void {
    this.#again = true
    if (this.#working || this.#deps.signal.aborted) return
    this.#working = true
    this.#deps.begun(this.#untilQuiet())
  }

  async #untilQuiet(): Promise<void> {
    // What is shown while a round ends asks for another one: between the last look and `working = false` nothing runs.
    while (this.#again && !this.#deps.signal.aborted) {
      this.#again = false
      try {
        await this.#drain()
      } catch (error) {
        if (!this.#deps.signal.aborted) this.#deps.log.error({ err: error }, 'the outbox stumbled')
      }
    }
    this.#working = false
  }

  async #drain(): Promise<void> {
    clearTimeout(this.#timer)
    // One tick later: what is shown inside a transaction is delivered only when that has been committed.
    await Promise.resolve()
    while (!this.#deps.signal.aborted) {
      const wait = this.#rest.leftMs(this.#deps.now())
      if (wait > 0) return this.#later(wait)
      const next = await this.#next()
      if (next === undefined) return
      if ('waitMs' in next) return this.#later(next.waitMs)
      await this.#take(next.shown, next.step)
    }
  }

  #later(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#work(), Math.min(ms, longestPauseMs))
  }

  /** The next step for this chat: finals in their order first, then progress when its pace allows. */
  async #next(): Promise<{ shown: Shown; step: Step } | { waitMs: number } | undefined> {
    const all = [...this.#shown.values()]
    for (const shown of all.filter(({ publication }) => publication.final)) {
      const step = await this.#stepOf(shown)
      if (step === 'faulty') continue
      if (step !== undefined) return { shown, step }
      await this.#settle(shown)
    }
    const live = all.filter(({ publication, blocked }) => !publication.final && !blocked)
    return this.#nextProgress(live)
  }

  async #nextProgress(
    live: readonly Shown[],
  ): Promise<{ shown: Shown; step: Step } | { waitMs: number } | undefined> {
    const { transport, now } = this.#deps
    for (const shown of live) {
      const pace = transport?.progressPaceMs?.(shown.publication.place, live.length) ?? 0
      if (pace === Infinity) continue
      // The clock may have been set back.
      this.#lastProgressAt = Math.min(this.#lastProgressAt, now())
      const waitMs = this.#lastProgressAt + pace - now()
      // Before it is rendered: what comes while the chat rests costs nothing.
      if (waitMs > 0) return { waitMs }
      const step = await this.#stepOf(shown)
      if (step === undefined || step === 'faulty') continue
      // The next round begins with another stream: none starves.
      this.#shown.delete(shown.publication.key)
      this.#shown.set(shown.publication.key, shown)
      this.#lastProgressAt = now()
      return { shown, step }
    }
    return undefined
  }

  /**
   * What is to be done next for this one; undefined: nothing. `faulty`: it cannot be told, by a fault of ours; such a
   * publication is set aside after its last attempt, and keeps no other from its chat.
   */
  async #stepOf(shown: Shown): Promise<Step | 'faulty' | undefined> {
    const { transport, breath, log } = this.#deps
    await breath()
    try {
      return transport === undefined ? undefined : nextStep(shown, transport)
    } catch (error) {
      const { key, place } = shown.publication
      shown.faults += 1
      log.error({ err: error, place: place.key, key, faults: shown.faults }, 'rendering failed')
      await this.#fault(shown)
      return 'faulty'
    }
  }

  async #fault(shown: Shown): Promise<void> {
    const { keep, ledger } = this.#deps
    if (!shown.publication.final) shown.blocked = true
    else if (shown.faults < mostFaults) this.#later(faultPauseMs)
    else {
      await keep(() => ledger.bury(shown, 'ductor itself failed to render it; the log says more'))
      this.#shown.delete(shown.publication.key)
    }
  }

  async #settle(shown: Shown): Promise<void> {
    const { transport, keep, ledger } = this.#deps
    const { publication } = shown
    if (transport !== undefined) {
      await keep(() => ledger.settle(shown))
      // A newer view came while the disk was busy: it is not settled at all.
      if (shown.publication !== publication) return keep(() => ledger.save(shown.publication, 'final'))
    }
    this.#shown.delete(publication.key)
  }

  async #take(shown: Shown, step: Step): Promise<void> {
    const { transport, now } = this.#deps
    if (transport === undefined) return
    const { key } = shown.publication
    if (step.do === 'preview') {
      shown.previewed = step.content
      return step.preview(step.content, key).catch(() => {
        // The next one shows more.
      })
    }
    const outcome = await call(shown, step, transport, this.#deps)
    if (outcome === 'answered') this.#failures = 0
    else if (outcome === 'unanswered') {
      this.#failures += 1
      this.#rest.begin(Math.min(500 * 2 ** (this.#failures - 1), longestPauseMs), now())
    } else if (outcome === 'given up') this.#shown.delete(key)
    else this.#rest.begin(outcome.restMs, now())
  }
}
