import type { Log } from './define.ts'
import type { Place } from './message.ts'
import type { PostRow, Store } from './store.ts'
import { DeliveryError, type Content, type Operation, type Transport } from './transport.ts'
import type { View } from './view.ts'

/** Something that a chat should show: a turn as it goes on, an answer, a word of ductor's own. */
export interface Publication {
  /** Unique, and the same after a restart. */
  readonly key: string
  readonly place: Place
  readonly view: View
  /** A final view must come to be seen, whatever happens; one that is not may be overtaken by the next. */
  readonly final: boolean
  readonly turn?: string
  readonly replyTo?: string
}

export interface OutboxDeps {
  readonly store: Store
  readonly transports: ReadonlyMap<string, Transport>
  readonly log: Log
  /** Writes until the disk takes it. */
  readonly keep: <T>(write: () => T, signal: AbortSignal) => Promise<T>
  readonly now?: () => number
}

interface Shown {
  publication: Publication
  posts: PostRow[]
  saved: boolean
  /** Progress that met an unknown or refused call waits for the final view. */
  blocked: boolean
}

interface Lane {
  readonly shown: Map<string, Shown>
  restUntil: number
  nextProgressAt: number
  failures: number
  working: boolean
  /** Something was shown since the round began. */
  again: boolean
  timer?: NodeJS.Timeout
}

const longestPauseMs = 60_000

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
      lane.shown.set(publication.key, { publication, posts, saved, blocked: false })
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
      nextProgressAt: 0,
      failures: 0,
      working: false,
      again: false,
    }
    this.#lanes.set(key, lane)
    return lane
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
      const step = this.#step(shown)
      if (step !== undefined) return { shown, step }
      await this.#settle(lane, shown)
    }
    const live = all.filter(({ publication, blocked }) => !publication.final && !blocked)
    for (const shown of live) {
      const step = this.#step(shown)
      if (step === undefined) continue
      const waitMs = lane.nextProgressAt - this.#now()
      if (waitMs > 0) return { waitMs }
      // The next round begins with another stream: none starves.
      lane.shown.delete(shown.publication.key)
      lane.shown.set(shown.publication.key, shown)
      const pace = this.#transport(shown)?.progressPaceMs?.(shown.publication.place, live.length) ?? 0
      lane.nextProgressAt = this.#now() + pace
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

  /** The first difference between what is posted and what should be; undefined when they agree. */
  #step(shown: Shown): Step | undefined {
    const wanted = this.#transport(shown)?.render(shown.publication.view)
    if (wanted === undefined) return undefined
    const known = new Map(shown.posts.map((post) => [post.index, post]))
    for (const [index, content] of wanted.entries()) {
      const post = known.get(index)
      if (post?.ref === undefined) return { do: 'post', index, content, attempt: post?.attempt ?? 0 }
      if (!same(post.content, content)) return { do: 'edit', index, content, post }
    }
    const extra = shown.posts.findLast(({ index }) => index >= wanted.length)
    return extra === undefined ? undefined : { do: 'delete', index: extra.index, post: extra }
  }

  async #call(lane: Lane, shown: Shown, step: Step): Promise<void> {
    const transport = this.#transport(shown)
    if (transport === undefined) return
    if (step.do === 'delete' && step.post.ref === undefined)
      return this.#keep(() => this.#forget(shown, step.index))
    const { publication } = shown
    await this.#keep(() => this.#begin(shown, step, transport))
    let ref: string
    try {
      ref = await transport.deliver(operation(publication, step), this.#closing.signal)
    } catch (error) {
      if (this.#closing.signal.aborted) return
      return this.#keep(() => this.#failed(lane, shown, step, error))
    }
    lane.failures = 0
    await this.#keep(() => this.#done(shown, publication, step, ref))
  }

  #keep<T>(write: () => T): Promise<T> {
    return this.#deps.keep(write, this.#closing.signal)
  }

  /** What is about to be posted is written down first: after a crash it is known that it may be there. */
  #begin(shown: Shown, step: Step, transport: Transport): void {
    if (step.do !== 'post') return
    const { publication } = shown
    this.#deps.store.transaction(() => {
      if (!shown.saved) this.#save(publication, 'live')
      shown.saved = true
      const begun = shown.posts.some(({ index }) => index === step.index)
      if (begun && !transport.dropsDoubles) {
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
  #done(shown: Shown, publication: Publication, step: Step, ref: string): void {
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
        this.#forget(shown, step.index)
    }
  }

  #failed(lane: Lane, shown: Shown, step: Step, error: unknown): void {
    const { publication } = shown
    const failure = error instanceof DeliveryError ? error.failure : 'rejected'
    const message = error instanceof Error ? error.message : String(error)
    this.#deps.log.warn(
      { place: publication.place.key, turn: publication.turn, failure, reason: message, call: step.do },
      'a delivery failed',
    )
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
        shown.blocked = !publication.final
        this.#pause(lane)
        return
      case 'gone':
        if (publication.final && step.do !== 'post') this.#postAnew(shown, step)
        else shown.blocked = true
        return
      case 'rejected':
        if (publication.final) this.#bury(lane, shown, message)
        else shown.blocked = true
    }
  }

  /** The call was surely not carried out: its post is not doubtful. */
  #unbegin(shown: Shown, step: Extract<Step, { do: 'post' }>): void {
    if (this.#transport(shown)?.dropsDoubles === true) return
    const earlier = shown.posts.find(({ index }) => index === step.index)
    if (earlier?.ref === undefined) this.#forget(shown, step.index)
  }

  #postAnew(shown: Shown, step: Exclude<Step, { do: 'post' }>): void {
    if (step.do === 'delete') return this.#forget(shown, step.index)
    const { ref: _gone, ...rest } = step.post
    this.#write(shown, { ...rest, attempt: rest.attempt + 1 })
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

type Step =
  | {
      readonly do: 'post'
      readonly index: number
      readonly content: Content
      readonly attempt: number
    }
  | { readonly do: 'edit'; readonly index: number; readonly content: Content; readonly post: PostRow }
  | { readonly do: 'delete'; readonly index: number; readonly post: PostRow }

function operation(publication: Publication, step: Step): Operation {
  const { place, key, replyTo, final } = publication
  const name = `${key}/${step.index}`
  switch (step.do) {
    case 'post':
      return {
        type: 'post',
        place,
        content: step.content,
        key: `${name}/p${step.attempt}`,
        notify: step.index === 0 || final,
        ...(replyTo === undefined || step.index > 0 ? {} : { replyTo }),
      }
    case 'edit':
      // Progress edits are not written down, so a final edit needs a name that none of them can have had.
      return {
        type: 'edit',
        place,
        content: step.content,
        ref: step.post.ref ?? '',
        key: `${name}/${final ? 'f' : 'l'}${step.post.attempt}.${step.post.revision}`,
      }
    case 'delete':
      return { type: 'delete', place, ref: step.post.ref ?? '', key: `${name}/d${step.post.attempt}` }
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

function same(a: Content, b: Content): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
