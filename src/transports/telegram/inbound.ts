import type { Answered, Inbound, Place, Sender } from '../../core/message.ts'
import type { Fact } from './chats.ts'
import { attachmentsOf, saidOf } from './media-in.ts'
import {
  readUpdate,
  type Update,
  type WireEntity,
  type WireMember,
  type WireMessage,
  type WirePlace,
  type WireUser,
} from './wire.ts'

/** The bot itself, as Telegram knows it. */
export interface Me {
  readonly id: number
  readonly username: string
}

/** What an update means to us. */
export type Heard = {
  readonly facts: readonly Fact[]
  /** The message that it is about. */
  readonly seen?: { readonly chat: string; readonly message: number; readonly ours: boolean }
} & (
  | { readonly kind: 'inbound'; readonly inbound: Inbound }
  /** Somebody took the bot into a group or a channel. */
  | { readonly kind: 'added'; readonly chat: string; readonly by: string }
  /** `strange`: it may have been meant for us, but it makes no sense. */
  | { readonly kind: 'ignored'; readonly why: string; readonly strange?: boolean }
)

export interface Ears {
  readonly me: Me
  /** Milliseconds, for what Telegram gives no time of. */
  readonly now: number
  /** The id under which the conversations of a chat began. */
  readonly originalOf: (chat: string) => string
}

/** The app cuts what a person wrote at this many characters, or a little before. */
const splitFrom = 4000

/** Tells what an update means. */
export function hear(wire: unknown, ears: Ears): Heard {
  const update = readUpdate(wire)
  if (update === undefined) {
    return { kind: 'ignored', why: 'an update of unknown shape', strange: true, facts: [] }
  }
  const where = update.message ?? update.edited_message ?? update.callback_query?.message
  const heard = meaningOf(update, ears)
  if (where === undefined) return heard
  // Buttons are on messages of the bot.
  const ours = update.callback_query !== undefined || update.message?.from?.id === ears.me.id
  return { ...heard, seen: { chat: String(where.chat.id), message: where.message_id, ours } }
}

function meaningOf(update: Update, ears: Ears): Heard {
  const { message: written, edited_message: edited, my_chat_member: member } = update
  if (written !== undefined) return hearMessage(written, update, ears)
  if (edited !== undefined) return hearMessage(edited, update, ears)
  if (update.callback_query !== undefined) return hearPress(update.callback_query, update.update_id, ears)
  if (member !== undefined) return hearMembership(member)
  const stopped = update.stopped_message_generation
  if (stopped !== undefined) return hearStop(stopped, update.update_id, ears)
  return ignored('an update of unknown kind')
}

function ignored(why: string, facts: readonly Fact[] = []): Heard {
  return { kind: 'ignored', why, facts }
}

function hearMessage(wire: WireMessage, update: Update, { me, originalOf }: Ears): Heard {
  const facts = factsOf(wire)
  const group = wire.chat.type !== 'private'
  if (wire.chat.type === 'channel') return ignored('a channel')
  if (wire.from?.id === me.id) return ignored('a message of the bot itself', facts)
  const attachments = attachmentsOf(wire)
  const written = wire.text ?? wire.caption
  const text = written ?? saidOf(wire)
  if (text === '' && attachments.length === 0) return ignored('a message without words or files', facts)
  const entities = wire.entities ?? wire.caption_entities ?? []
  const command = commandOf(text, entities)
  if (group && command?.bot !== undefined && !isMe(command.bot, me)) {
    return ignored('a command for another bot', facts)
  }
  const sender = senderOf(wire)
  if (sender === undefined) return ignored('a message of nobody', facts)
  const edited = update.edited_message !== undefined
  const base = {
    place: placeOf(wire, originalOf),
    sender,
    sentAt: (edited ? (wire.edit_date ?? wire.date) : wire.date) * 1000,
    group,
    addressed: !group || isAddressed(wire, text, entities, me),
    messageId: String(wire.message_id),
    text: command?.bot === undefined ? text : command.name + text.slice(command.length),
  }
  const event = `${update.update_id}:${wire.chat.id}:${wire.message_id}`
  if (edited) return { kind: 'inbound', facts, inbound: { kind: 'edit', id: `${event}:edit`, ...base } }
  const replyTo = replyOf(wire, me)
  const forwardedFrom = forwarderOf(wire)
  const partial =
    wire.media_group_id !== undefined || wire.forward_origin !== undefined || text.length >= splitFrom
  return {
    kind: 'inbound',
    facts,
    inbound: {
      kind: 'message',
      id: event,
      ...base,
      ...(attachments.length === 0 ? {} : { attachments }),
      ...(replyTo === undefined ? {} : { replyTo }),
      ...(forwardedFrom === undefined ? {} : { forwardedFrom }),
      ...(partial ? { partial } : {}),
    },
  }
}

function factsOf(wire: WireMessage): readonly Fact[] {
  const chat = String(wire.chat.id)
  const facts: Fact[] = []
  if (wire.migrate_to_chat_id !== undefined) {
    facts.push({ kind: 'moved', from: chat, to: String(wire.migrate_to_chat_id) })
  }
  if (wire.migrate_from_chat_id !== undefined) {
    facts.push({ kind: 'moved', from: String(wire.migrate_from_chat_id), to: chat })
  }
  if (wire.chat.type === 'private' && wire.from?.id === wire.chat.id) {
    facts.push({ kind: 'person', chat, reachable: true })
  }
  if (wire.is_topic_message === true && wire.message_thread_id !== undefined) {
    facts.push(topicOf(wire, chat, String(wire.message_thread_id)))
  }
  return facts
}

/** Whoever writes in a topic tells that it is there, and its first name; other news of it come by themselves. */
function topicOf(wire: WireMessage, chat: string, thread: string): Fact {
  const { forum_topic_created: created, forum_topic_edited: edited, reply_to_message: reply } = wire
  const name = edited?.name ?? created?.name
  const firstName = reply?.forum_topic_created?.name
  return {
    kind: 'topic',
    chat,
    thread,
    ...(name === undefined ? {} : { name }),
    ...(firstName === undefined ? {} : { firstName }),
    // An admin may write in a topic that is closed to others: whether the bot may, its next message tells.
    ...(wire.forum_topic_closed === undefined ? { state: 'open' } : {}),
  }
}

/**
 * Anonymous admins and channels write under the name of a chat. No such message comes from a person who could be
 * in a list: its sender is the chat.
 */
function senderOf({ from, sender_chat: chatOfSender }: WireMessage): Sender | undefined {
  if (chatOfSender !== undefined) return { id: String(chatOfSender.id) }
  return from === undefined ? undefined : personOf(from)
}

function personOf({ id, first_name: first, username }: WireUser): Sender {
  const name = first ?? username
  return { id: String(id), ...(name === undefined ? {} : { name }) }
}

function forwarderOf({ forward_origin: origin }: WireMessage): string | undefined {
  if (origin === undefined) return undefined
  const { sender_user: user, sender_user_name: hidden, sender_chat: group, chat: channel } = origin
  return user?.first_name ?? user?.username ?? hidden ?? group?.title ?? channel?.title ?? 'somebody'
}

/** Replies in plain supergroups carry a thread id too; only that of a topic is a place of its own. */
function placeOf(wire: WirePlace, originalOf: Ears['originalOf']): Place {
  const { chat, message_thread_id: thread, is_topic_message: inTopic } = wire
  // In forums, topic 1 is General: the bot may not name it when it sends there.
  const general = thread === 1 && chat.type !== 'private'
  return place(String(chat.id), inTopic === true && !general ? thread : undefined, originalOf)
}

function place(chat: string, thread: number | undefined, originalOf: Ears['originalOf']): Place {
  const key = `tg:${originalOf(chat)}`
  if (thread === undefined) return { key, transport: 'telegram', chat }
  return { key: `${key}:${thread}`, transport: 'telegram', chat, thread: String(thread) }
}

interface CommandWord {
  /** With its slash, without the bot's name. */
  readonly name: string
  readonly bot?: string
  /** Of all of it, in UTF-16 units. */
  readonly length: number
}

/** The command that the text begins with. */
function commandOf(text: string, entities: readonly WireEntity[]): CommandWord | undefined {
  const word = entities.find(({ type, offset }) => type === 'bot_command' && offset === 0)
  if (word === undefined) return undefined
  const [name = '', bot] = text.slice(0, word.length).split('@')
  return { name, length: word.length, ...(bot === undefined ? {} : { bot }) }
}

function isMe(name: string, me: Me): boolean {
  return name.toLowerCase() === me.username.toLowerCase()
}

function isAddressed(wire: WireMessage, text: string, entities: readonly WireEntity[], me: Me): boolean {
  if (answered(wire)?.from?.id === me.id) return true
  return entities.some(({ type, offset, length, user: who }) => {
    const word = text.slice(offset, offset + length)
    if (type === 'mention') return isMe(word.slice(1), me)
    if (type === 'text_mention') return who?.id === me.id
    return type === 'bot_command' && isMe(word.split('@')[1] ?? '', me)
  })
}

/** The message that a person answered. In a topic, Telegram makes all messages answers to the one that opened it. */
function answered(wire: WireMessage): WireMessage['reply_to_message'] {
  const { reply_to_message: reply, is_topic_message: inTopic, message_thread_id: thread } = wire
  return inTopic === true && reply?.message_id === thread ? undefined : reply
}

/** What was quoted may be of a message in another chat: then only its words are known. */
function replyOf(wire: WireMessage, me: Me): Answered | undefined {
  const reply = answered(wire)
  // The agent has its own files; what it needs to know is which one is meant.
  const own = reply?.from?.id === me.id
  const text =
    wire.quote?.text ?? reply?.text ?? reply?.caption ?? (own ? reply.document?.file_name : undefined)
  const attachments = own ? [] : attachmentsOf(reply ?? wire.external_reply ?? {})
  if (reply === undefined && text === undefined && attachments.length === 0) return undefined
  return {
    messageId: String(reply?.message_id ?? ''),
    ...(text === undefined ? {} : { text }),
    ...(attachments.length === 0 ? {} : { attachments }),
  }
}

function hearPress(
  { id, from, message: where, data }: NonNullable<Update['callback_query']>,
  updateId: number,
  { now, originalOf }: Ears,
): Heard {
  if (where === undefined || data === undefined) return ignored('a press that is not on our messages')
  return {
    kind: 'inbound',
    facts: [],
    inbound: {
      kind: 'press',
      id: `${updateId}:${id}`,
      place: placeOf(where, originalOf),
      sender: personOf(from),
      sentAt: now,
      group: where.chat.type !== 'private',
      // A button is on a message of the bot: whoever presses it means the bot.
      addressed: true,
      pressed: { token: data },
    },
  }
}

/** Telegram's id of the press, which its answer must name. */
export function queryOf(pressId: string): string {
  return pressId.slice(pressId.indexOf(':') + 1)
}

/** Telegram's own Stop button under a draft says what /stop says. It is there in private chats only. */
function hearStop(
  { chat, message_thread_id: thread, draft_id: draft }: NonNullable<Update['stopped_message_generation']>,
  updateId: number,
  { now, originalOf }: Ears,
): Heard {
  if (chat.type !== 'private') return ignored('a stop outside a private chat')
  return {
    kind: 'inbound',
    facts: [],
    inbound: {
      kind: 'message',
      id: `${updateId}:stop`,
      messageId: `stop of draft ${draft}`,
      place: place(String(chat.id), thread, originalOf),
      sender: { id: String(chat.id) },
      sentAt: now,
      group: false,
      addressed: true,
      text: '/stop',
    },
  }
}

function hearMembership(change: NonNullable<Update['my_chat_member']>): Heard {
  const { chat: where, from, old_chat_member: before, new_chat_member: after } = change
  const chat = String(where.id)
  if (where.type === 'private') {
    const reachable = isMember(after)
    const why = reachable ? 'a private chat was opened' : 'the bot was blocked'
    return ignored(why, [{ kind: 'person', chat, reachable }])
  }
  if (isMember(before) || !isMember(after)) return ignored('other rights in a group, or none any more')
  return { kind: 'added', facts: [], chat, by: String(from.id) }
}

function isMember({ status, is_member: member }: WireMember): boolean {
  return status === 'member' || status === 'administrator' || status === 'creator' || member === true
}
