import type { PermissionMode } from './provider.ts'

/**
 * Where a conversation lives. Only the transport that made a place reads `chat` and `thread`;
 * everyone else compares `key`.
 */
export interface Place {
  /** How the place is written to the store and shown: `tg:<chat>[:<topic>]`, `mx:<room-int>`, `web:<id>`. */
  readonly key: string
  /** The folder name of the transport that made it: `telegram`, `matrix`, `web`. */
  readonly transport: string
  /** The network's own id of the chat or room. */
  readonly chat: string
  /** The network's own id of the topic or thread inside the chat. */
  readonly thread?: string
}

/** Who sent something, by the network's own id (never by a name that people can choose). */
export interface Sender {
  readonly id: string
  readonly name?: string
}

export type AttachmentKind = 'picture' | 'voice' | 'audio' | 'video' | 'sticker' | 'file'

/** A file that came with a message. It is fetched before its turn begins, not when it is heard of. */
export interface Attachment {
  readonly kind: AttachmentKind
  /** As the sender called it; never part of a path before it was made safe. */
  readonly name: string
  readonly mimeType: string
  /** Bytes, as far as they are known. */
  readonly size?: number
  /** Absolute path on this machine, once it is here. */
  readonly path?: string
  /** What its transport needs to fetch it, as long as it is not here. */
  readonly remote?: string
}

interface InboundBase {
  /** The network's own id of the event, unique for its transport: the same id is the same event, however often it comes. */
  readonly id: string
  readonly place: Place
  readonly sender: Sender
  /** Milliseconds since 1970, by the network's clock. */
  readonly sentAt: number
  /** Does the place have more people than the sender and the bot? */
  readonly group: boolean
  /** Was the bot mentioned, replied to, or named in the command? Only asked in groups. */
  readonly addressed: boolean
}

/** A message that a person wrote: a prompt or a command. */
export interface Message extends InboundBase {
  readonly kind: 'message'
  /** The network's own id of the message, as `ductor trace` takes it. */
  readonly messageId: string
  readonly text: string
  readonly attachments?: readonly Attachment[]
  readonly replyTo?: Answered
  /** Who wrote it first, by name, where it was passed on. */
  readonly forwardedFrom?: string
  /**
   * It may be a part of something: of an album, of forwarded messages, of a text that the app has split. What comes
   * within a moment from the same person belongs to the same turn.
   */
  readonly partial?: boolean
  /** Its turn may do no more than this, whatever the agent may do otherwise: another agent asks, which may do no more. */
  readonly atMost?: PermissionMode
}

/** The message that another one answers. */
export interface Answered {
  readonly messageId: string
  /** Its words, or those that were quoted of it. */
  readonly text?: string
  /** Its files, unless they are the bot's own: in a group nobody may have shown them to the agent before. */
  readonly attachments?: readonly Attachment[]
}

/** The text of an earlier message was changed. */
export interface Edit extends InboundBase {
  readonly kind: 'edit'
  readonly messageId: string
  readonly text: string
}

/** An earlier message was taken back. */
export interface Redaction extends InboundBase {
  readonly kind: 'redaction'
  readonly messageId: string
}

/** One of the choices of a message was pressed: by its token, or by its number on the message that shows it. */
export interface Press extends InboundBase {
  readonly kind: 'press'
  readonly pressed:
    | { readonly token: string }
    | { readonly messageId: string; /** From 1. */ readonly number: number }
}

/** What wakes a conversation, whatever sent it. */
export type Inbound = Message | Edit | Redaction | Press

/** The network's own id of a message that we sent. */
export type MessageRef = string
