import type { Inbound, MessageRef, Place } from './message.ts'
import type { StopReason } from './provider.ts'
import type { Content } from './transport.ts'
import type { Choice, View } from './view.ts'

/**
 * How an inbound event stands.
 * `pending`: a command or a press that is not carried out yet. `queued`: waits for its turn. `stale`: came too late to be
 * run without asking. `running`: its turn runs. `asked`: its turn was cut off and the chat was asked what to do.
 * `done`, `cancelled` (by a person), `refused` (by the policy), `dead` (set aside after a fault of ours).
 */
export type InboxState =
  | 'pending'
  | 'queued'
  | 'stale'
  | 'running'
  | 'asked'
  | 'done'
  | 'cancelled'
  | 'refused'
  | 'dead'

export interface InboxRow {
  /** The order in which events were taken. */
  readonly seq: number
  readonly inbound: Inbound
  readonly state: InboxState
  readonly turn?: string
}

/** What the pressing of a choice does. Kept as JSON. */
export type Action =
  | { readonly do: 'cancel'; readonly seq: number }
  | { readonly do: 'continue' | 'again' | 'drop'; readonly turn: string }
  | { readonly do: 'run-stale' | 'drop-stale' }
  | {
      readonly do: 'permit'
      readonly turn: string
      readonly request: string
      readonly allow: boolean
      readonly remember: boolean
    }

export interface StoredChoice extends Choice {
  readonly place: string
  /** The publication that shows it. */
  readonly publication: string
  readonly action: Action
  /** Milliseconds since 1970. */
  readonly madeAt: number
  readonly spent: boolean
}

export interface TurnRow {
  readonly id: string
  readonly place: Place
  readonly provider: string
  readonly startedAt: number
}

/** `live`: progress of a running turn. `final`: must come to be seen. `settled`: it is. `dead`: it never will be. */
export type PublicationState = 'live' | 'final' | 'settled' | 'dead'

export interface PublicationRow {
  readonly key: string
  readonly place: Place
  readonly view: View
  readonly state: PublicationState
  readonly turn?: string
  readonly replyTo?: string
}

/** One message of a publication, as far as we know. */
export interface PostRow {
  readonly index: number
  /** Counts the posts that were made for this index: a message that is gone is posted anew under another key. */
  readonly attempt: number
  /** Undefined: its fate is unknown (the call was begun and no answer is known). */
  readonly ref?: MessageRef
  /** What it was last known to show. */
  readonly content: Content
  /** Counts the edits; -1: not even its post was begun. */
  readonly revision: number
}

/** What a trace line belongs to. */
export interface TraceSubject {
  readonly seq?: number
  readonly turn?: string
}

export interface TraceLine {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly event: string
  readonly detail?: string
}

/** Port: what the flow needs of the store. Everything is durable when a method (or `transaction`) has returned. */
export interface Store {
  /** All or nothing. May be nested; the outermost decides. */
  transaction<T>(work: () => T): T

  /** Undefined: this id was taken before. */
  addInbound(inbound: Inbound, state: InboxState): number | undefined
  inboundBySeq(seq: number): InboxRow | undefined
  inboundsOfTurn(turn: string): readonly InboxRow[]
  /** The newest event of kind `message` with this network id. */
  inboundOfMessage(place: string, messageId: string): InboxRow | undefined
  inboundsIn(state: InboxState, place?: string): readonly InboxRow[]
  nextQueued(place: string): InboxRow | undefined
  replaceText(seq: number, text: string): void
  setInboxState(seq: number, state: InboxState, turn?: string): void
  countInbox(state: InboxState): number

  session(place: string, provider: string): string | undefined
  setSession(place: string, provider: string, session: string | undefined): void

  startTurn(turn: TurnRow): void
  endTurn(id: string, stop: StopReason | 'interrupted'): void
  runningTurns(): readonly TurnRow[]
  turn(id: string): TurnRow | undefined

  addChoice(choice: StoredChoice): void
  choice(token: string): StoredChoice | undefined
  /** The choices that the message `ref` shows, in order. */
  choicesOfMessage(place: string, ref: MessageRef): readonly StoredChoice[]
  /** The choices of the newest publication in this place that has unspent ones, in order. */
  newestChoices(place: string): readonly StoredChoice[]
  /** Spends every choice of the publication. */
  spendChoices(publication: string): void

  savePublication(publication: PublicationRow): void
  publication(key: string): PublicationRow | undefined
  setPublicationState(key: string, state: PublicationState): void
  publicationsIn(state: PublicationState): readonly PublicationRow[]
  countPublications(state: PublicationState): number
  posts(publication: string): readonly PostRow[]
  putPost(publication: string, post: PostRow): void
  removePost(publication: string, index: number): void
  /** The newest messages of ours in the chat of this place, in whatever topic. */
  refsInChatOf(place: string): ReadonlySet<MessageRef>

  note(subject: TraceSubject, event: string, detail?: string): void

  recall(source: string, key: string): string | undefined
  list(source: string, prefix: string): readonly (readonly [key: string, value: string])[]
  remember(source: string, entries: Readonly<Record<string, string | null>>): void
}
