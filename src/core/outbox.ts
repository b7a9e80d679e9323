import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Log } from './define.ts'
import type { Place } from './message.ts'
import {
  doubtfulPost,
  nextStep,
  operation,
  type CallStep,
  type PostStep,
  type Publication,
  type Shown,
  type Step,
} from './outbox-step.ts'
import type { PostRow, Store } from './store.ts'
import { DeliveryError, type MessageRef, type Transport } from './transport.ts'

export type { Publication } from './outbox-step.ts'

export interface OutboxDeps {
  readonly store: Store
  readonly transports: ReadonlyMap<string, Transport>
  readonly log: Log
  /** Writes until the disk takes it. */
  readonly keep: <T>(write: () => T, signal: AbortSignal) => Promise<T>
  readonly now?: () => number
}

interface Lane {
  readonly shown: Map<string, Shown>
  restUntil: number
  lastProgressAt: number
  failures: number
  working: boolean
  /** Something was shown since the round began. */
  again: boolean
  timer?: NodeJS.Timeout
}

const longestPauseMs = 60_000
const mostFaults = 3
const faultPauseMs = 200
/** Chats in which nothing is to be done beyond so many are forgotten. */
const mostQuietLanes = 500

/**
 * Makes each chat show what it should: compares what is posted with what the transport renders, and makes one call
 * after another until they agree. A lane for each chat keeps its order; lanes do not wait for each other.
 */
export class Outbox {
  readonly #deps: OutboxDeps
  readonly #now: () => number
  readonly #lanes = new Map<string, Lane>()
  readonly #closing = new AbortController()
  readonly #calls = new Set<Promise<void>>()
  #breathing: Promise<void> = Promise.resolve()

  constructor(deps: OutboxDeps) {
    this.#deps = deps
    this.#now = deps.now ?? Date.now
  }

  /** Takes up what an earlier run left unfinished. */
  resume(): void {
    for (const row of this.#deps.store.publicationsIn('final')) {
      const publication: Publication = {
        key: row.key,
        place: row.place,
        view: row.view,
        final: true,
        ...(row.turn === undefined ? {} : { turn: row.turn }),
        ...(row.replyTo === undefined ? {} : { replyTo: row.replyTo }),
      }
      this.#put(publication, true)
    }
  }

  /** A final publication is durable when this returns; call it inside the transaction that makes it true. */
  show(publication: Publication): void {
    if (publication.final) this.#save(publication, 'final')
    this.#put(publication, publication.final)
  }

  /** The messages of this publication shall go. */
  withdraw(key: string, place: Place): void {
    const known = this.#lanes.get(laneKey(place))?.shown.has(key) === true
    if (!known && this.#deps.store.publication(key) === undefined) return
    this.show({ key, place, view: { state: 'ended', parts: [], choices: [] }, final: true })
  }

  /** The transport hears again: what waited for it need not wait any longer. */
  wake(transport: string): void {
    for (const [key, lane] of this.#lanes) {
      if (!key.startsWith(`${transport}\n`)) continue
      if (lane.failures > 0) lane.restUntil = 0
      this.#work(lane)
    }
  }

  /** Lets the calls that are under way end, and begins no other. What is final is taken up by the next start. */
  async close(graceMs: number): Promise<void> {
    const limit = setTimeout(() => this.#closing.abort(), graceMs)
    const idle = () => [...this.#lanes.values()].every((lane) => !hasFinal(lane))
    while (this.#calls.size > 0 && !this.#closing.signal.aborted && !idle()) await Promise.race(this.#calls)
    clearTimeout(limit)
    this.#closing.abort()
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer)
    await Promise.allSettled(this.#calls)
  }

  #save(publication: Publication, state: 'live' | 'final'): void {
    const { key, place, view, turn, replyTo } = publication
    this.#deps.store.savePublication({
      key,
      place,
      view,
      state,
      ...(turn === undefined ? {} : { turn }),
      ...(replyTo === undefined ? {} : { replyTo }),
    })
  }

  #put(publication: Publication, saved: boolean): void {
    const lane = this.#lane(publication.place)
    const shown = lane.shown.get(publication.key)
    if (shown === undefined) {
      const posts = saved ? [...this.#deps.store.posts(publication.key)] : []
      lane.shown.set(publication.key, { publication, posts, saved, blocked: false, faults: 0 })
    } else {
      // A final view stays final: nothing that comes late may undo it.
      if (shown.publication.final && !publication.final) return
      shown.publication = publication
      shown.saved ||= saved
      shown.blocked &&= !publication.final
    }
    this.#work(lane)
  }

  #lane(place: Place): Lane {
    const key = laneKey(place)
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const lane: Lane = {
      shown: new Map(),
      restUntil: 0,
      lastProgressAt: -Infinity,
      failures: 0,
      working: false,
      again: false,
    }
    this.#lanes.set(key, lane)
    if (this.#lanes.size > mostQuietLanes * 2) this.#forgetQuiet()
    return lane
  }

  #forgetQuiet(): void {
    for (const [key, lane] of this.#lanes) {
      if (this.#lanes.size <= mostQuietLanes) return
      const quiet = lane.shown.size === 0 && !lane.working && lane.restUntil < this.#now()
      // Its pace is still to be kept.
      const fresh = this.#now() - lane.lastProgressAt < longestPauseMs
      if (quiet && !fresh) this.#lanes.delete(key)
    }
  }

  #work(lane: Lane): void {
    lane.again = true
    if (lane.working || this.#closing.signal.aborted) return
    lane.working = true
    const work = this.#untilQuiet(lane).finally(() => this.#calls.delete(work))
    this.#calls.add(work)
  }

  async #untilQuiet(lane: Lane): Promise<void> {
    // What is shown while a round ends asks for another one: between the last look and `working = false` nothing runs.
    while (lane.again && !this.#closing.signal.aborted) {
      lane.again = false
      try {
        await this.#drain(lane)
      } catch (error) {
        if (!this.#closing.signal.aborted) this.#deps.log.error({ err: error }, 'the outbox stumbled')
      }
    }
    lane.working = false
  }

  async #drain(lane: Lane): Promise<void> {
    clearTimeout(lane.timer)
    // One tick later: what is shown inside a transaction is delivered only when that has been committed.
    await Promise.resolve()
    while (!this.#closing.signal.aborted) {
      const wait = lane.restUntil - this.#now()
      if (wait > 0) return this.#later(lane, wait)
      const next = await this.#next(lane)
      if (next === undefined) return
      if ('waitMs' in next) return this.#later(lane, next.waitMs)
      await this.#call(lane, next.shown, next.step)
    }
  }

  #later(lane: Lane, ms: number): void {
    clearTimeout(lane.timer)
    lane.timer = setTimeout(() => this.#work(lane), Math.min(ms, longestPauseMs))
  }

  /** The next call for this chat: finals in their order first, then progress when its pace allows. */
  async #next(lane: Lane): Promise<{ shown: Shown; step: Step } | { waitMs: number } | undefined> {
    const all = [...lane.shown.values()]
    for (const shown of all.filter(({ publication }) => publication.final)) {
      const step = await this.#stepOf(lane, shown)
      if (step === 'faulty') continue
      if (step !== undefined) return { shown, step }
      await this.#settle(lane, shown)
    }
    const live = all.filter(({ publication, blocked }) => !publication.final && !blocked)
    for (const shown of live) {
      const pace = this.#transport(shown)?.progressPaceMs?.(shown.publication.place, live.length) ?? 0
      if (pace === Infinity) continue
      const waitMs = lane.lastProgressAt + pace - this.#now()
      // Before it is rendered: what comes while the chat rests costs nothing.
      if (waitMs > 0) return { waitMs }
      const step = await this.#stepOf(lane, shown)
      if (step === undefined || step === 'faulty') continue
      // The next round begins with another stream: none starves.
      lane.shown.delete(shown.publication.key)
      lane.shown.set(shown.publication.key, shown)
      lane.lastProgressAt = this.#now()
      return { shown, step }
    }
    return undefined
  }

  async #settle(lane: Lane, shown: Shown): Promise<void> {
    const { publication } = shown
    // A transport that is not configured any more: what it should show waits, in case it comes back.
    if (this.#transport(shown) !== undefined) {
      await this.#keep(() => this.#deps.store.transaction(() => this.#settled(shown)))
      // A newer view came while the disk was busy: it is not settled at all.
      if (shown.publication !== publication) return this.#keep(() => this.#save(shown.publication, 'final'))
    }
    lane.shown.delete(publication.key)
  }

  #settled(shown: Shown): void {
    this.#deps.store.setPublicationState(shown.publication.key, 'settled')
    const refs = shown.posts.flatMap(({ ref }) => ref ?? [])
    if (refs.length > 0) this.#note(shown, 'delivered', `as ${refs.join(', ')}`)
  }

  #transport({ publication }: Shown): Transport | undefined {
    return this.#deps.transports.get(publication.place.transport)
  }

  /** Rendering takes its time: between two of them, everything else has its turn. */
  #breath(): Promise<void> {
    this.#breathing = this.#breathing.then(() => nextTurn())
    return this.#breathing
  }

  /**
   * What is to be done next for this one; undefined: nothing. `faulty`: it cannot be told, by a fault of ours; such a
   * publication is set aside after its last attempt, and keeps no other from its chat.
   */
  async #stepOf(lane: Lane, shown: Shown): Promise<Step | 'faulty' | undefined> {
    const transport = this.#transport(shown)
    await this.#breath()
    try {
      return transport === undefined ? undefined : nextStep(shown, transport)
    } catch (error) {
      const { key, place } = shown.publication
      shown.faults += 1
      this.#deps.log.error({ err: error, place: place.key, key, faults: shown.faults }, 'rendering failed')
      if (!shown.publication.final) shown.blocked = true
      else if (shown.faults >= mostFaults)
        await this.#keep(() =>
          this.#bury(lane, shown, 'ductor itself failed to render it; the log says more'),
        )
      else this.#later(lane, faultPauseMs)
      return 'faulty'
    }
  }

  async #call(lane: Lane, shown: Shown, step: Step): Promise<void> {
    const transport = this.#transport(shown)
    if (transport === undefined) return
    const { publication } = shown
    if (step.do === 'preview') {
      shown.previewed = step.content
      return step.preview(step.content, publication.key).catch(() => {
        // The next one shows more.
      })
    }
    let ref: MessageRef
    try {
      if (step.do !== 'edit' && (await this.#found(shown, step.index, transport))) {
        lane.failures = 0
        return
      }
      if (step.do === 'delete' && step.post.ref === undefined)
        return await this.#keep(() => this.#forget(shown, step.index))
      await this.#keep(() => this.#begin(shown, step, transport))
      ref = await transport.deliver(operation(publication, step), this.#closing.signal)
    } catch (error) {
      if (this.#closing.signal.aborted) return
      return this.#keep(() => this.#failed(lane, shown, step, error))
    }
    lane.failures = 0
    await this.#keep(() => this.#done(shown, publication, step, ref))
  }

  /** Did a post whose fate was unknown arrive? Then it is known from now on, and need not be made again. */
  async #found(shown: Shown, index: number, transport: Transport): Promise<boolean> {
    const doubtful = doubtfulPost(shown, index)
    if (doubtful === undefined || transport.dropsDoubles || transport.find === undefined) return false
    const { publication } = shown
    const post = operation(publication, { do: 'post', ...doubtful })
    const others = this.#deps.store.refsInChatOf(publication.place.key)
    const ref = await transport.find(post, others, this.#closing.signal).catch((error: unknown) => {
      const failure = error instanceof DeliveryError ? error.failure : 'unknown'
      // Whoever may not look may not post either, and is told so then.
      if (failure === 'rejected') return undefined
      throw failure === 'rate-limited' ? error : inDoubt(error)
    })
    if (ref === undefined) return false
    await this.#keep(() =>
      this.#deps.store.transaction(() => {
        this.#write(shown, { ...doubtful, ref })
        this.#note(shown, 'found', `as ${ref}: it had arrived`)
      }),
    )
    return true
  }

  #keep<T>(write: () => T): Promise<T> {
    return this.#deps.keep(write, this.#closing.signal)
  }

  /** What is about to be posted is written down first: after a crash it is known that it may be there. */
  #begin(shown: Shown, step: CallStep, transport: Transport): void {
    if (step.do !== 'post') return
    const { publication } = shown
    this.#deps.store.transaction(() => {
      if (!shown.saved) this.#save(publication, 'live')
      shown.saved = true
      if (doubtfulPost(shown, step.index) !== undefined && !transport.dropsDoubles) {
        this.#note(
          shown,
          'sent again',
          `message ${step.index + 1} may appear twice: its first sending has no known end`,
        )
      }
      this.#write(shown, { index: step.index, attempt: step.attempt, content: step.content, revision: 0 })
    })
  }

  /** `publication` is the one that was delivered; a newer one may have come meanwhile. */
  #done(shown: Shown, publication: Publication, step: CallStep, ref: MessageRef): void {
    switch (step.do) {
      case 'post':
        this.#deps.store.transaction(() => {
          this.#write(shown, {
            index: step.index,
            attempt: step.attempt,
            ref,
            content: step.content,
            revision: 0,
          })
          this.#note(shown, 'shown', `as ${ref}`)
        })
        return
      case 'edit': {
        const post = { ...step.post, content: step.content, revision: step.post.revision + 1 }
        if (!publication.final) {
          shown.posts = replace(shown.posts, post)
          return
        }
        this.#write(shown, post)
        return
      }
      case 'delete':
        if (step.anew) this.#postAnew(shown, step.post)
        else this.#forget(shown, step.index)
    }
  }

  #failed(lane: Lane, shown: Shown, step: CallStep, error: unknown): void {
    const { publication } = shown
    const failure = error instanceof DeliveryError ? error.failure : 'rejected'
    const message = error instanceof Error ? error.message : String(error)
    const facts = { place: publication.place.key, turn: publication.turn, failure, reason: message }
    // To rest is the usual way of a busy chat.
    if (failure === 'rate-limited') this.#deps.log.debug({ ...facts, call: step.do }, 'a delivery waits')
    else this.#deps.log.warn({ ...facts, call: step.do }, 'a delivery failed')
    switch (failure) {
      case 'rate-limited': {
        const ms = error instanceof DeliveryError ? (error.retryAfterMs ?? 1000) : 1000
        lane.restUntil = this.#now() + ms
        return
      }
      case 'unreachable':
        if (step.do === 'post') this.#unbegin(shown, step)
        this.#pause(lane)
        return
      case 'unknown':
        this.#note(shown, 'doubtful', message)
        // Progress would rather go missing than come twice; unless it can be found out.
        shown.blocked = !publication.final && this.#transport(shown)?.find === undefined
        this.#pause(lane)
        return
      case 'gone':
        if (step.do === 'delete') this.#forget(shown, step.index)
        else if (publication.final && step.do === 'edit') this.#postAnew(shown, step.post)
        else shown.blocked = true
        return
      case 'rejected':
        if (!publication.final) shown.blocked = true
        // What cannot be changed any more is said anew: an answer is never lost because an edit failed.
        else if (step.do === 'edit') this.#postAnew(shown, step.post)
        else if (step.do === 'delete') this.#forget(shown, step.index)
        else this.#bury(lane, shown, message)
    }
  }

  /** The call was surely not carried out: its post is not doubtful. */
  #unbegin(shown: Shown, step: PostStep): void {
    if (this.#transport(shown)?.dropsDoubles === true) return
    const earlier = shown.posts.find(({ index }) => index === step.index)
    if (earlier?.ref === undefined) this.#forget(shown, step.index)
  }

  /** Another message is to take the place of this one, which is gone: under a key of its own. */
  #postAnew(shown: Shown, { ref: _gone, ...post }: PostRow): void {
    this.#write(shown, { ...post, attempt: post.attempt + 1, revision: -1 })
  }

  #bury(lane: Lane, shown: Shown, reason: string): void {
    this.#note(shown, 'not delivered', reason)
    this.#deps.store.setPublicationState(shown.publication.key, 'dead')
    lane.shown.delete(shown.publication.key)
  }

  #pause(lane: Lane): void {
    lane.failures += 1
    lane.restUntil = this.#now() + Math.min(500 * 2 ** (lane.failures - 1), longestPauseMs)
  }

  #write(shown: Shown, post: PostRow): void {
    this.#deps.store.putPost(shown.publication.key, post)
    shown.posts = replace(shown.posts, post)
  }

  #forget(shown: Shown, index: number): void {
    this.#deps.store.removePost(shown.publication.key, index)
    shown.posts = shown.posts.filter((post) => post.index !== index)
  }

  #note({ publication }: Shown, event: string, detail: string): void {
    if (publication.turn !== undefined) this.#deps.store.note({ turn: publication.turn }, event, detail)
  }
}

function laneKey({ transport, chat }: Place): string {
  return `${transport}\n${chat}`
}

function hasFinal(lane: Lane): boolean {
  return [...lane.shown.values()].some(({ publication }) => publication.final)
}

function replace(posts: readonly PostRow[], post: PostRow): PostRow[] {
  return [...posts.filter(({ index }) => index !== post.index), post].toSorted((a, b) => a.index - b.index)
}

/** Whatever went wrong while looking, the post stays in doubt. */
function inDoubt(error: unknown): DeliveryError {
  return new DeliveryError('unknown', error instanceof Error ? error.message : String(error), {
    cause: error,
  })
}
