import { withoutMarks } from './answer.ts'
import { Asks } from './asks.ts'
import type { Log } from './define.ts'
import type { Place } from './message.ts'
import type { Notices } from './notices.ts'
import type { Outbox } from './outbox.ts'
import type { Provider, Steered, TurnEvent } from './provider.ts'
import type { Store } from './store.ts'
import { emptyView, fold, type Part, type View } from './view.ts'

export interface RunningTurnDeps {
  readonly store: Store
  readonly outbox: Outbox
  readonly notices: Notices
  readonly log: Log
  /** A turn has begun to wait for a person. */
  readonly waits: () => void
  /** Writes until the disk takes it. */
  readonly keep: <T>(write: () => T) => Promise<T>
}

export interface TurnFacts {
  readonly id: string
  readonly place: Place
  readonly strand: string
  readonly providerName: string
  readonly provider: Provider
  readonly startedAt: number
  readonly permissionTimeoutMs: number
  /** The message that the answer answers, where a chat needs to be told. */
  readonly replyTo?: string
  /** Shown before anything that the agent says. */
  readonly preface?: readonly Part[]
}

/** One turn, from its first event to its last: what is seen of it, and what it waits for. */
export class RunningTurn {
  readonly id: string
  readonly startedAt: number
  readonly strand: string
  readonly abort = new AbortController()
  readonly asks: Asks
  /** Resolves when all that there is to say of it is stored. */
  readonly ended: Promise<void>
  readonly resolveEnded: () => void
  readonly #facts: TurnFacts
  readonly #deps: RunningTurnDeps
  #view: View
  #stopped = false

  constructor(facts: TurnFacts, deps: RunningTurnDeps) {
    const { id, place, provider, providerName, startedAt, strand, permissionTimeoutMs, preface = [] } = facts
    this.id = id
    this.startedAt = startedAt
    this.strand = strand
    this.#facts = facts
    this.#deps = deps
    this.#view = { ...emptyView, parts: preface }
    this.asks = new Asks({
      turn: id,
      place,
      provider,
      timeoutMs: permissionTimeoutMs,
      ...deps,
      remember: (grant) => {
        deps.store.addGrant(place.key, strand, providerName, grant)
        deps.store.note({ turn: id }, 'leave kept', 'for the rest of the session')
      },
      note: (event, detail) => deps.store.note({ turn: id }, event, detail),
      keep: (write) => deps.keep(() => deps.store.transaction(write)),
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.resolveEnded = resolve
  }

  /** A person has ended it. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** Ends the turn and all that its tools started; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.abort.abort()
    await this.ended
  }

  /** Ends it softly. False: this CLI cannot do that. */
  async interrupt(): Promise<boolean> {
    const { provider, id } = this.#facts
    return await this.#whileItRuns(provider.interrupt?.(id) ?? false, true)
  }

  async steer(prompt: string, attachments: Parameters<NonNullable<Provider['steer']>>[2]): Promise<Steered> {
    const { provider, id } = this.#facts
    return await this.#whileItRuns(provider.steer?.(id, prompt, attachments) ?? 'unsupported', 'over')
  }

  /** `after`: what it comes to where the turn ends before the provider has answered. */
  #whileItRuns<T>(answer: T | Promise<T>, after: T): Promise<T> {
    return Promise.race([answer, this.ended.then(() => after)])
  }

  /** Adds something of ductor's own to what is seen. */
  say(text: string): void {
    this.#view = fold(this.#view, { type: 'notice', message: text })
  }

  /** Adds a file to what is seen. */
  attach(part: Extract<Part, { readonly kind: 'file' }>): void {
    this.#view = { ...this.#view, parts: [...this.#view.parts, part] }
    this.#show(this.#view, false)
  }

  /** Shows the turn as it goes; resolves with the last view. Never throws. */
  async follow(begin: () => AsyncIterable<TurnEvent> | Promise<AsyncIterable<TurnEvent>>): Promise<View> {
    let spoke = false
    try {
      for await (const event of await begin()) {
        await this.#meet(event)
        const before = this.#view
        this.#view = fold(before, event)
        if (this.#view.state === 'ended') continue
        if (!spoke && event.type === 'text') {
          spoke = true
          await this.#deps.keep(() => this.#deps.store.note({ turn: this.id }, 'first output'))
        }
        if (this.#view !== before) this.#show(this.#view, false)
      }
    } catch (error) {
      this.#deps.log.error(
        { err: error, turn: this.id, place: this.#facts.place.key },
        'a turn failed by a fault of ours',
      )
      const wrong = 'ductor itself failed in this turn; the log says more. Your message was not run again.'
      this.#view = fold(this.#view, { type: 'turn.ended', stop: 'failed', error: wrong })
    }
    if (this.#view.state !== 'ended') {
      const error = 'The agent ended without a word about how it ended.'
      this.#view = fold(this.#view, { type: 'turn.ended', stop: 'failed', error })
    }
    return this.#view
  }

  /** Makes `view` the last word. Within the transaction that ends the turn. */
  conclude(view: View): void {
    this.asks.close()
    this.#show(view, true)
  }

  #show(view: View, final: boolean): void {
    const { place, replyTo } = this.#facts
    this.#deps.outbox.show({
      key: turnKey(this.id),
      place,
      view: final ? view : withoutMarks(view),
      final,
      turn: this.id,
      ...(replyTo === undefined ? {} : { replyTo }),
    })
  }

  /** What an event means beyond what is seen of it. */
  async #meet(event: TurnEvent): Promise<void> {
    const { place, strand, providerName } = this.#facts
    switch (event.type) {
      case 'session.started':
        return this.#deps.keep(() =>
          this.#deps.store.setSession(place, strand, providerName, event.sessionId),
        )
      case 'permission.requested':
        return this.asks.permission(event)
      case 'question.asked':
        return this.asks.question(event)
      case 'permission.withdrawn':
        return this.asks.withdraw(event.id)
      case 'text':
      case 'text.reset':
      case 'thinking':
      case 'tool':
      case 'plan':
      case 'notice':
      case 'turn.ended':
    }
  }
}

export const turnKey = (turn: string) => `turn/${turn}`
