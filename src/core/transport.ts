import type { Policy } from './authorise.ts'
import type { Attachment, Inbound, MessageRef, Place, Press } from './message.ts'
import type { View } from './view.ts'

export type { MessageRef } from './message.ts'

/**
 * What a source keeps between runs, small and durable: its cursor, what it knows of its rooms.
 * Keys are the source's own; each source sees only what it wrote.
 */
export interface Memory {
  recall(key: string): string | undefined
  /** All pairs whose key begins with `prefix`, in the order of their keys. */
  list(prefix: string): readonly (readonly [key: string, value: string])[]
  /** Written together, or not at all. `null` forgets the key. Throws when the disk will not take it. */
  remember(entries: Readonly<Record<string, string | null>>): void
}

/** Where a source hands over what it heard. */
export interface Intake extends Memory {
  /**
   * Stores the events and what the source remembers with them (its cursor) in one step. An event whose id was taken
   * before does nothing. Only when this has resolved may the source acknowledge to its network; it waits, and does
   * not throw, while the disk is full. It rejects only when `signal` of the source is aborted.
   */
  take(batch: readonly Inbound[], remember?: Readonly<Record<string, string | null>>): Promise<void>
}

/** Anything that wakes conversations: a chat network, a clock, a webhook. */
export interface Source {
  /**
   * Connects, hears, and stays: reconnects by itself, says how it goes through `report`, and resolves only after
   * `signal` is aborted. Throws `FatalError` when trying again cannot help (a token that is refused); any other
   * throw is started again after a pause.
   */
  listen(intake: Intake, signal: AbortSignal): Promise<void>
}

/**
 * What one message holds, in the network's own terms. Opaque to core, comparable as JSON; but contents whose `kind`
 * differs (a text, a file) cannot be edited into each other.
 */
export type Content = Readonly<Record<string, unknown>>

/** One call that makes the chat more like the view. */
export type Operation =
  | {
      readonly type: 'post'
      readonly place: Place
      readonly content: Content
      /** Unique for this message and the same at each attempt, also after a restart: the network's transaction id. */
      readonly key: string
      /** The network's id of the message that this one answers; a hint. */
      readonly replyTo?: string
      /** Should a phone make a sound? False for progress, true for answers and questions. */
      readonly notify: boolean
    }
  | {
      readonly type: 'edit'
      readonly place: Place
      readonly content: Content
      readonly key: string
      readonly ref: MessageRef
    }
  | { readonly type: 'delete'; readonly place: Place; readonly key: string; readonly ref: MessageRef }

export type Post = Extract<Operation, { type: 'post' }>

/**
 * How a call failed.
 * - `rate-limited`: not done; the chat must rest for `retryAfterMs`.
 * - `unreachable`: not done, or safe to do again with the same key.
 * - `unknown`: perhaps done; doing it again may show it twice.
 * - `rejected`: not done and never will be.
 * - `gone`: the message to change is not there any more.
 */
export type DeliveryFailure = 'rate-limited' | 'unreachable' | 'unknown' | 'rejected' | 'gone'

/** The one thing that `Transport.deliver` throws. Its message is for the log: no token, no text of a message. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError'
  readonly failure: DeliveryFailure
  readonly retryAfterMs: number | undefined

  constructor(
    failure: DeliveryFailure,
    message: string,
    options: { retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.failure = failure
    this.retryAfterMs = options.retryAfterMs
  }
}

/** Trying again cannot help until a person changes something; the message says what. */
export class FatalError extends Error {
  override readonly name = 'FatalError'
}

/** Port: a chat network. Implemented by each folder of src/transports. */
export interface Transport extends Source {
  /** Who may talk here, as it stands now. */
  readonly policy: Policy
  /** What commands begin with: `/`, and `!` where clients swallow `/`. */
  readonly commandPrefixes: readonly string[]
  /** Commands that are this network's own; help names them. */
  readonly ownCommands?: readonly OwnCommand[]
  /** How choices are pressed: by buttons of the network, or (also) by typing their number or label. */
  readonly choices: 'buttons' | 'typed'
  /** Is nobody there who could be asked for leave? */
  readonly asksNobody?: boolean
  /** Does the network itself drop a second post with the same key? */
  readonly dropsDoubles: boolean
  /**
   * Lists the messages that show this view in this place, first to last; the outbox makes it so. The same at each call,
   * unless people have changed how they want to see it there or the network has refused a content.
   */
  render(view: View, place?: Place): readonly Content[]
  /** Makes one call; `delete` resolves with the ref it was given. Throws nothing but `DeliveryError`. */
  deliver(operation: Operation, signal: AbortSignal): Promise<MessageRef>
  /**
   * Looks for a post whose fate is unknown: its ref where it arrived, undefined where it is not there. For networks
   * that do not drop doubles. `others`: our other messages in this chat. Throws nothing but `DeliveryError`.
   */
  find?(post: Post, others: ReadonlySet<MessageRef>, signal: AbortSignal): Promise<MessageRef | undefined>
  /**
   * How a running turn's last message can be shown here without being posted (a draft), or undefined where it has to
   * be posted. What is shown so goes by itself when a message comes. A failure is of no interest: more is to follow.
   */
  preview?(place: Place): Preview | undefined
  /** Milliseconds between two showings of progress in this chat, when so many turns stream in it. Infinity: none. */
  progressPaceMs?(place: Place, streams: number): number
  /** Shows for a few seconds that the bot is at work. A failure is of no interest. */
  typing?(place: Place, on: boolean): Promise<void>
  /** Shows on the person's own message how it stands (a receipt, a reaction). A failure is of no interest. */
  mark?(place: Place, messageId: string, mark: Mark): Promise<void>
  /**
   * Brings a file that came with a message to this machine, in the transport's own folder of the home. Resolves with
   * the attachment and its `path`. Throws `UserError` where it cannot be had (too large, gone): its words are for the
   * person and the agent.
   */
  fetch?(attachment: Attachment, place: Place, signal: AbortSignal): Promise<Attachment>
  /**
   * Removes what it keeps itself of messages older than `before` (milliseconds since 1970): files that people sent, a
   * history of its own.
   */
  prune?(before: number): Promise<void>
  /** Takes over what of a changed configuration (of this transport's own kind) needs no restart. */
  reconfigure?(config: never): void
  /** Where the owner is told what concerns the whole installation; undefined where there is no such place (yet). */
  ownerPlace?(): Place | undefined
  /** Answers the press itself (the spinning button), in a word or two or silently. A failure is of no interest. */
  answerPress?(press: Press, text: string): Promise<void>
}

/** A command that only this network has. */
export interface OwnCommand {
  readonly name: string
  readonly summary: string
  /** How it is called beyond its name. */
  readonly usage?: string
  /**
   * Carries it out, for somebody who may; what it throws ends up in the log. After a crash it is called again. Without
   * it, the transport hears the command by itself, before all else.
   */
  readonly run?: (args: string, place: Place) => Promise<OwnAnswer>
}

export interface OwnAnswer {
  readonly text: string
  /** To press: the same command with these arguments. */
  readonly offers?: readonly {
    readonly label: string
    readonly args: string
    readonly style?: 'primary' | 'danger'
  }[]
}

/** Shows the content in the place of what was shown before with the same key. */
export type Preview = (content: Content, key: string) => Promise<void>

/** How the person's message stands: waits, runs, was answered, failed. */
export type Mark = 'seen' | 'working' | 'done' | 'failed'

export type TransportState = 'connecting' | 'connected' | 'failed' | 'stopped'

/** How a transport fares; what `ductor status` shows. */
export interface TransportReport {
  readonly state: TransportState
  /** Who the bot is on this network: `@my_bot`, `@bot:example.org`. */
  readonly account?: string
  /** For a person: why it failed, and what would help. */
  readonly detail?: string
}
