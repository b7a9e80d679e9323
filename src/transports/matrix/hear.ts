import type { Answered, Attachment, Inbound, Message, Place, Sender } from '../../core/message.ts'
import { calls, withoutCall, type Self } from './addressed.ts'
import { attachmentOf, captionOf } from './attached.ts'
import { threadIn, type Authors } from './authors.ts'
import { numberOf } from './keycaps.ts'
import { chosenIn, isPollResponse } from './polls.ts'
import {
  messageContent,
  redactedBy,
  related,
  stickerContent,
  type Relation,
  type RoomEvent,
  type Words,
} from './wire.ts'

/** What is needed to understand the events of one room. */
export interface Hearing {
  readonly room: string
  /** The place of the room, or of the conversation in a thread of it. */
  readonly placeOf: (thread: string | undefined) => Place
  readonly group: boolean
  readonly self: Self
  readonly authors: Authors
  /** Display names of the room's members, as far as the homeserver told them. */
  readonly names: ReadonlyMap<string, string>
}

/**
 * What the event means to us; undefined for what nobody needs to know. Throws what `Authors` throws: then the event
 * is not understood yet, and must be heard again.
 */
export async function understand(
  event: RoomEvent,
  hearing: Hearing,
  signal: AbortSignal,
): Promise<Inbound | undefined> {
  hearing.authors.learn(hearing.room, event.event_id, event.sender, event.content)
  if (event.sender === hearing.self.userId) return undefined
  switch (event.type) {
    case 'm.room.message':
      return message(event, hearing, signal)
    case 'm.reaction':
      return press(event, hearing, signal)
    case 'm.room.redaction':
      return redaction(event, hearing, signal)
    case 'm.sticker': {
      const sticker = stickerContent.safeParse(event.content).data
      return sticker && said(event, { ...sticker, msgtype: 'm.sticker' }, undefined, hearing)
    }
    default:
      return isPollResponse(event.type) ? vote(event, hearing, signal) : undefined
  }
}

async function message(
  event: RoomEvent,
  hearing: Hearing,
  signal: AbortSignal,
): Promise<Inbound | undefined> {
  const content = messageContent.safeParse(event.content).data
  if (content === undefined) return undefined
  const relation = content['m.relates_to']
  if (relation?.rel_type === 'm.replace') {
    return edit(event, relation, content['m.new_content'], hearing, signal)
  }
  const original = await answered(relation, hearing, signal)
  const words = original === undefined ? content : { ...content, body: withoutQuote(content.body) }
  return said(event, words, original, hearing)
}

function said(
  event: RoomEvent,
  words: Words,
  original: Original | undefined,
  hearing: Hearing,
): Message | undefined {
  const attachment = attachmentOf(words)
  const text = textOf(words, hearing.self)
  if (text === undefined && attachment === undefined) return undefined
  return {
    kind: 'message',
    ...base(event, hearing, threadIn(event.content)),
    addressed: !hearing.group || original?.sender === hearing.self.userId || calls(words, hearing.self),
    messageId: event.event_id,
    text: text ?? '',
    // Several files are several events, and what they are for is often said in one more.
    ...(attachment === undefined ? {} : { attachments: [attachment], partial: true }),
    ...(original === undefined ? {} : { replyTo: replyTo(original, hearing.self) }),
  }
}

async function edit(
  event: RoomEvent,
  { event_id: target }: Relation,
  words: Words | undefined,
  hearing: Hearing,
  signal: AbortSignal,
): Promise<Inbound | undefined> {
  if (target === undefined || words === undefined) return undefined
  const text = textOf(words, hearing.self)
  if (text === undefined) return undefined
  // The homeserver lets anybody send an edit of anything; only the author's own counts.
  const original = await hearing.authors.of(hearing.room, target, signal)
  if (original?.sender !== event.sender) return undefined
  const addressed = !hearing.group || calls(words, hearing.self)
  return { kind: 'edit', ...base(event, hearing, original.thread), addressed, messageId: target, text }
}

async function press(event: RoomEvent, hearing: Hearing, signal: AbortSignal): Promise<Inbound | undefined> {
  const relation = related.safeParse(event.content).data?.['m.relates_to']
  const { rel_type: type, event_id: messageId, key = '' } = relation ?? {}
  const number = numberOf(key)
  if (type !== 'm.annotation' || messageId === undefined || number === undefined) return undefined
  return pressOf(event, messageId, number, hearing, signal)
}

async function vote(event: RoomEvent, hearing: Hearing, signal: AbortSignal): Promise<Inbound | undefined> {
  const chosen = chosenIn(event.content)
  return chosen && pressOf(event, chosen.poll, chosen.number, hearing, signal)
}

/** What stands on other people's messages means nothing to us. */
async function pressOf(
  event: RoomEvent,
  messageId: string,
  number: number,
  hearing: Hearing,
  signal: AbortSignal,
): Promise<Inbound | undefined> {
  const shown = await hearing.authors.of(hearing.room, messageId, signal)
  if (shown?.sender !== hearing.self.userId) return undefined
  const where = base(event, hearing, shown.thread)
  return { kind: 'press', ...where, addressed: true, pressed: { messageId, number } }
}

async function redaction(
  event: RoomEvent,
  hearing: Hearing,
  signal: AbortSignal,
): Promise<Inbound | undefined> {
  const target = redactedBy(event)
  if (target === undefined) return undefined
  const original = await hearing.authors.of(hearing.room, target, signal)
  const where = base(event, hearing, original?.thread)
  return { kind: 'redaction', ...where, addressed: !hearing.group, messageId: target }
}

function base(event: RoomEvent, { placeOf, group, names }: Hearing, thread: string | undefined) {
  const name = names.get(event.sender)
  const sender: Sender = { id: event.sender, ...(name === undefined ? {} : { name }) }
  return { id: event.event_id, place: placeOf(thread), sender, sentAt: event.origin_server_ts, group }
}

/** What a person said; undefined for what bots say to each other (`m.notice`), and nothing at all. */
function textOf(words: Words, self: Self): string | undefined {
  const spoken = words.msgtype === 'm.text' || words.msgtype === 'm.emote'
  const body = spoken ? words.body : attachmentOf(words) === undefined ? undefined : captionOf(words)
  if (body === undefined) return undefined
  const text = withoutCall({ ...words, body }, self).trim()
  // A call alone is an answer to nothing, but it is still a call.
  return text === '' ? body.trim() || undefined : text
}

interface Original {
  readonly messageId: string
  readonly sender: string | undefined
  readonly text: string | undefined
  readonly attachment: Attachment | undefined
}

/** The message that this one answers. A message in a thread names one too, for clients without threads. */
async function answered(
  relation: Relation | undefined,
  { room, authors }: Hearing,
  signal: AbortSignal,
): Promise<Original | undefined> {
  const messageId = relation?.['m.in_reply_to']?.event_id
  if (messageId === undefined || relation?.is_falling_back === true) return undefined
  const event = await authors.look(room, messageId, signal)
  const content = messageContent.safeParse(event?.content).data
  const attachment = content && attachmentOf(content)
  return {
    messageId,
    sender: event?.sender,
    text: content && (attachment === undefined ? withoutQuote(content.body) : captionOf(content)),
    attachment,
  }
}

function replyTo({ messageId, sender, text, attachment }: Original, self: Self): Answered {
  if (attachment === undefined) return text === undefined ? { messageId } : { messageId, text }
  // The agent has its own files; what it needs to know is which one is meant.
  if (sender === self.userId) return { messageId, text: text ?? attachment.name }
  return { messageId, ...(text === undefined ? {} : { text }), attachments: [attachment] }
}

/** Older clients repeat what they answer: `> <@name:server> …` lines, and an empty one. People's own quotes stay. */
function withoutQuote(body: string): string {
  if (!/^> (?:\* )?<@[^>\n]+>/.test(body)) return body
  const lines = body.split('\n')
  const end = lines.findIndex((line) => !line.startsWith('>'))
  if (end === -1) return body
  return lines.slice(end).join('\n').replace(/^\n/, '')
}
