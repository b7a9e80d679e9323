import type { Action } from './action.ts'
import type { Inbound, MessageRef, Place } from './message.ts'
import type { Grant, StopReason, Usage } from './provider.ts'
import type { Content } from './transport.ts'
import type { Choice, View } from './view.ts'

/**
 * Port: what the flow needs of the store. Everything is durable when a method (or `transaction`) has returned. What a
 * place is need not be told beforehand: it is written down with the first thing that belongs to it.
 */
export interface Store
  extends Inbox, Strands, Sessions, Grants, Turns, Choices, Publications, Posts, Traces, Memories {
  /** All or nothing. May be nested; the outermost decides. */
  transaction<T>(work: () => T): T
}

/** What was heard, each event once, and how it stands. */
export interface Inbox {
  /** Undefined: this id was taken before. */
  addInbound(inbound: Inbound, state: InboxState, strand?: string): number | undefined
  inboundBySeq(seq: number): InboxRow | undefined
  inboundsOfTurn(turn: string): readonly InboxRow[]
  /** The newest event of kind `message` with this network id, in this place or in another thread of its chat. */
  inboundOfMessage(place: Place, messageId: string): InboxRow | undefined
  /** Its edits and redactions that were allowed, in the order in which they were taken. */
  changesOf(place: Place, messageId: string): readonly InboxRow[]
  /** In the order in which they were taken. */
  inboundsIn(state: InboxState, place?: string, strand?: string): readonly InboxRow[]
  /** The first of the queue, at most `limit`. */
  nextQueued(place: string, strand: string, limit: number): readonly InboxRow[]
  /** The place and strand of everything that is queued, what waited longest first. */
  queues(): readonly { readonly place: Place; readonly strand: string }[]
  replaceText(seq: number, text: string): void
  /** What is `queued` or `pending` belongs to no turn but the one that is named. */
  setInboxState(seq: number, state: InboxState, turn?: string): void
  countInbox(state: InboxState): number
  /** One more attempt is begun; gives how many that makes. */
  countAttempt(seq: number): number
}

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
  /** The session of its place that it is meant for; `` (empty) for the main one. */
  readonly strand: string
  readonly state: InboxState
  readonly turn?: string
  /** How often it was begun to be carried out. */
  readonly attempts: number
  /** Milliseconds since 1970, by our own clock. */
  readonly receivedAt: number
}

/** The parallel sessions of each place, and what was chosen for them. */
export interface Strands {
  strand(place: string, name: string): StrandRow | undefined
  /** All of the place but the main one, last used first. */
  strands(place: string): readonly StrandRow[]
  saveStrand(place: Place, strand: StrandRow): void
  /** Forgets the strand and its sessions. */
  removeStrand(place: string, name: string): void
}

/** One of the parallel sessions of a place, with what a person chose for it. */
export interface StrandRow {
  readonly name: string
  readonly provider?: string
  readonly model?: string
  readonly effort?: string
  /** The first words of its first prompt. */
  readonly gist?: string
  readonly madeAt: number
  readonly usedAt: number
}

/** The session of each strand with each provider. */
export interface Sessions {
  session(place: string, strand: string, provider: string): SessionRow | undefined
  sessions(place: string, strand: string): readonly SessionRow[]
  /** Another id than the one before begins another session. */
  setSession(place: Place, strand: string, provider: string, id: string | undefined): void
  /** A turn in this session has ended. */
  useSession(place: string, strand: string, provider: string, used: Usage): void
}

/** The session that a strand has with one provider. */
export interface SessionRow {
  readonly provider: string
  /** The CLI's own name of it. */
  readonly id: string
  readonly beganAt: number
  readonly usedAt: number
  /** Turns that have ended in it. */
  readonly messages: number
  readonly costUsd: number
  readonly contextTokens?: number
  readonly contextWindow?: number
}

/** What was allowed for the rest of a session. It goes with the session. */
export interface Grants {
  /** Does nothing where there is no session. */
  addGrant(place: string, strand: string, provider: string, grant: Grant): void
  /** In the order in which they were given. */
  grants(place: string, strand: string, provider: string): readonly Grant[]
}

/** The turns that were begun, and how they ended. */
export interface Turns {
  startTurn(turn: TurnRow): void
  endTurn(id: string, stop: StopReason | 'interrupted'): void
  runningTurns(): readonly TurnRow[]
  turn(id: string): TurnRow | undefined
}

export interface TurnRow {
  readonly id: string
  readonly place: Place
  readonly strand: string
  readonly provider: string
  readonly startedAt: number
}

/** What people can press, and what was pressed. */
export interface Choices {
  addChoice(choice: StoredChoice): void
  choice(token: string): StoredChoice | undefined
  /** The choices that the message `ref` shows, in order; after them those that it showed before. */
  choicesOfMessage(place: string, ref: MessageRef): readonly StoredChoice[]
  /** The choices of the newest publication in this place that had unspent ones at that time, in order. */
  newestChoices(place: string, at: number): readonly StoredChoice[]
  /** The publications that show choices which were made before `at` and are open still. */
  publicationsWithChoicesBefore(at: number): readonly string[]
  /** Spends every choice of the publication. */
  spendChoices(publication: string): void
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

/** What each chat should show. */
export interface Publications {
  savePublication(publication: PublicationRow): void
  publication(key: string): PublicationRow | undefined
  /** The newest publication that the message `ref` belongs to. */
  publicationOfPost(place: string, ref: MessageRef): PublicationRow | undefined
  setPublicationState(key: string, state: PublicationState): void
  publicationsIn(state: PublicationState): readonly PublicationRow[]
  publicationsOfTurn(turn: string): readonly PublicationRow[]
  countPublications(state: PublicationState): number
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

/** The messages of ours that show it. */
export interface Posts {
  posts(publication: string): readonly PostRow[]
  putPost(publication: string, post: PostRow): void
  removePost(publication: string, index: number): void
  /** The newest messages of ours in the chat of this place, in whatever topic. */
  refsInChatOf(place: string): ReadonlySet<MessageRef>
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

/** What became of each message, line by line. */
export interface Traces {
  note(subject: TraceSubject, event: string, detail?: string): void
  /**
   * The life of the message that `id` names, in the order of time: the network's own id of a message from either side,
   * or of the event that brought it; `<place>/<id>` where the id alone is not enough (Telegram counts anew in each chat).
   */
  trace(id: string): readonly TraceLine[]
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

/** What the sources keep between runs; see `Memory`. */
export interface Memories {
  recall(source: string, key: string): string | undefined
  list(source: string, prefix: string): readonly (readonly [key: string, value: string])[]
  remember(source: string, entries: Readonly<Record<string, string | null>>): void
}
