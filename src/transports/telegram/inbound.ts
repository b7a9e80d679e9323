import { z } from 'zod'
import type { Inbound, Place } from '../../core/message.ts'

/** The bot itself, as Telegram knows it. */
export interface Me {
  readonly id: number
  readonly username: string
}

/** What an update means to us. */
export type Heard =
  | { readonly kind: 'inbound'; readonly inbound: Inbound }
  /** Somebody took the bot into a group or a channel. */
  | { readonly kind: 'added'; readonly chat: string; readonly by: string }
  /** `strange`: it may have been meant for us, but it makes no sense. */
  | { readonly kind: 'ignored'; readonly why: string; readonly strange?: boolean }

/** The kinds of updates that `hear` knows; Telegram sends no others. */
export const allowedUpdates = ['message', 'edited_message', 'callback_query', 'my_chat_member'] as const

const user = z.object({
  id: z.int(),
  first_name: z.string().optional(),
  username: z.string().optional(),
})
const chat = z.object({ id: z.int(), type: z.string() })
const entity = z.object({
  type: z.string(),
  offset: z.int(),
  length: z.int(),
  user: user.optional(),
})
const place = z.object({
  message_id: z.int(),
  message_thread_id: z.int().optional(),
  is_topic_message: z.boolean().optional(),
  chat,
})
const message = place.extend({
  date: z.int(),
  edit_date: z.int().optional(),
  from: user.optional(),
  sender_chat: chat.optional(),
  text: z.string().optional(),
  caption: z.string().optional(),
  entities: z.array(entity).optional(),
  caption_entities: z.array(entity).optional(),
  reply_to_message: z
    .object({
      message_id: z.int(),
      from: user.optional(),
      text: z.string().optional(),
      caption: z.string().optional(),
    })
    .optional(),
  quote: z.object({ text: z.string() }).optional(),
  migrate_to_chat_id: z.int().optional(),
})
const membership = z.object({ status: z.string(), is_member: z.boolean().optional() })
const update = z.object({
  update_id: z.int(),
  message: message.optional(),
  edited_message: message.optional(),
  callback_query: z
    .object({ id: z.string(), from: user, message: place.optional(), data: z.string().optional() })
    .optional(),
  my_chat_member: z
    .object({ chat, from: user, old_chat_member: membership, new_chat_member: membership })
    .optional(),
})

type Update = z.infer<typeof update>
type WireMessage = z.infer<typeof message>
type WireEntity = z.infer<typeof entity>

/** Tells what an update means. `now`: milliseconds, for what Telegram gives no time of. */
export function hear(wire: unknown, me: Me, now: number): Heard {
  const parsed = update.safeParse(wire)
  if (!parsed.success) return { kind: 'ignored', why: 'an update of unknown shape', strange: true }
  const {
    message: written,
    edited_message: edited,
    callback_query: press,
    my_chat_member: member,
  } = parsed.data
  if (written !== undefined) return hearMessage(written, parsed.data, me)
  if (edited !== undefined) return hearMessage(edited, parsed.data, me)
  if (press !== undefined) return hearPress(press, parsed.data.update_id, now)
  if (member !== undefined) return hearMembership(member)
  return ignored('an update of unknown kind')
}

function ignored(why: string): Heard {
  return { kind: 'ignored', why }
}

function hearMessage(
  wire: WireMessage,
  { update_id: updateId, edited_message: edited }: Update,
  me: Me,
): Heard {
  const group = wire.chat.type !== 'private'
  if (wire.chat.type === 'channel') return ignored('a channel')
  if (wire.migrate_to_chat_id !== undefined) {
    return ignored(`the group ${wire.chat.id} became the supergroup ${wire.migrate_to_chat_id}`)
  }
  if (wire.from?.id === me.id) return ignored('a message of the bot itself')
  const written = wire.text ?? wire.caption
  if (written === undefined) return ignored('a message without text')
  const entities = wire.entities ?? wire.caption_entities ?? []
  const command = commandOf(written, entities)
  if (group && command?.bot !== undefined && !isMe(command.bot, me))
    return ignored('a command for another bot')
  const sender = senderOf(wire)
  if (sender === undefined) return ignored('a message of nobody')
  const base = {
    place: placeOf(wire),
    sender,
    sentAt: (edited === undefined ? wire.date : (wire.edit_date ?? wire.date)) * 1000,
    group,
    addressed: !group || isAddressed(wire, written, entities, me),
    messageId: String(wire.message_id),
    text: command?.bot === undefined ? written : command.name + written.slice(command.length),
  }
  const event = `${updateId}:${wire.chat.id}:${wire.message_id}`
  if (edited !== undefined)
    return { kind: 'inbound', inbound: { kind: 'edit', id: `${event}:edit`, ...base } }
  const replyTo = replyOf(wire)
  return {
    kind: 'inbound',
    inbound: { kind: 'message', id: event, ...base, ...(replyTo === undefined ? {} : { replyTo }) },
  }
}

/**
 * Anonymous admins and channels write under the name of a chat. No such message comes from a person who could be
 * in a list: its sender is the chat.
 */
function senderOf({
  from,
  sender_chat: chatOfSender,
}: WireMessage): { id: string; name?: string } | undefined {
  if (chatOfSender !== undefined) return { id: String(chatOfSender.id) }
  return from === undefined ? undefined : personOf(from)
}

function personOf({ id, first_name: first, username }: z.infer<typeof user>): { id: string; name?: string } {
  const name = first ?? username
  return { id: String(id), ...(name === undefined ? {} : { name }) }
}

/** Replies in plain supergroups carry a thread id too; only that of a topic is a place of its own. */
function placeOf({
  chat: { id },
  message_thread_id: thread,
  is_topic_message: inTopic,
}: z.infer<typeof place>): Place {
  // Topic 1 is General: the bot may not name it when it sends there.
  if (inTopic !== true || thread === undefined || thread === 1) {
    return { key: `tg:${id}`, transport: 'telegram', chat: String(id) }
  }
  return { key: `tg:${id}:${thread}`, transport: 'telegram', chat: String(id), thread: String(thread) }
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

function replyOf(wire: WireMessage): { messageId: string; text?: string } | undefined {
  const reply = answered(wire)
  if (reply === undefined) return undefined
  const text = wire.quote?.text ?? reply.text ?? reply.caption
  return { messageId: String(reply.message_id), ...(text === undefined ? {} : { text }) }
}

function hearPress(press: NonNullable<Update['callback_query']>, updateId: number, now: number): Heard {
  const { id, from, message: where, data } = press
  if (where === undefined || data === undefined) return ignored('a press that is not on our messages')
  return {
    kind: 'inbound',
    inbound: {
      kind: 'press',
      id: `${updateId}:${id}`,
      place: placeOf(where),
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

function hearMembership(change: NonNullable<Update['my_chat_member']>): Heard {
  const { chat: where, from, old_chat_member: before, new_chat_member: after } = change
  if (where.type === 'private') return ignored('a private chat was opened or blocked')
  if (isMember(before) || !isMember(after)) return ignored('other rights in a group, or none any more')
  return { kind: 'added', chat: String(where.id), by: String(from.id) }
}

function isMember({ status, is_member: member }: z.infer<typeof membership>): boolean {
  return status === 'member' || status === 'administrator' || status === 'creator' || member === true
}
