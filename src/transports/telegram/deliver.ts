import { z } from 'zod'
import type { Place } from '../../core/message.ts'
import { DeliveryError, type Content, type Operation } from '../../core/transport.ts'
import { CallError, type BotApi } from './bot-api.ts'

const look = z.object({ offset: z.int(), length: z.int() })
const entity = z.discriminatedUnion('type', [
  look.extend({ type: z.literal('pre'), language: z.string().exactOptional() }),
  look.extend({ type: z.literal('text_link'), url: z.string() }),
  look.extend({
    type: z.enum(['bold', 'italic', 'strikethrough', 'code', 'blockquote', 'expandable_blockquote']),
  }),
])
const button = z.object({
  text: z.string(),
  callback_data: z.string(),
  style: z.enum(['primary', 'danger']).exactOptional(),
})
const messageContent = z.object({
  text: z.string(),
  entities: z.array(entity),
  reply_markup: z.object({ inline_keyboard: z.array(z.array(button)) }).optional(),
})
type MessageContent = z.infer<typeof messageContent>

type Post = Extract<Operation, { type: 'post' }>
type Edit = Extract<Operation, { type: 'edit' }>
type Delete = Extract<Operation, { type: 'delete' }>

/** Makes one call, and a second one without looks where Telegram refuses the looks. Throws only `DeliveryError`. */
export async function deliver(api: BotApi, operation: Operation, signal: AbortSignal): Promise<string> {
  try {
    switch (operation.type) {
      case 'post':
        return await post(api, operation, signal)
      case 'edit':
        return await edit(api, operation, signal)
      case 'delete':
        return await remove(api, operation, signal)
    }
  } catch (error) {
    throw failure(error, operation)
  }
}

async function post(api: BotApi, operation: Post, signal: AbortSignal): Promise<string> {
  const { place, notify, replyTo } = operation
  const manner = {
    ...threadOf(place),
    disable_notification: !notify,
    ...(replyTo === undefined
      ? {}
      : { reply_parameters: { message_id: Number(replyTo), allow_sending_without_reply: true } }),
  }
  const sent = await withPlainFallback(operation.content, (content) =>
    api.call(
      (bot, stop) => bot.sendMessage(place.chat, content.text, { ...looks(content), ...manner }, stop),
      signal,
    ),
  )
  const ref = z.object({ message_id: z.int() }).safeParse(sent)
  if (!ref.success) throw new CallError('lost', 'the answer to a post names no message')
  return String(ref.data.message_id)
}

async function edit(api: BotApi, { place, ref, content }: Edit, signal: AbortSignal): Promise<string> {
  try {
    await withPlainFallback(content, (fitting) =>
      api.call(
        (bot, stop) => bot.editMessageText(place.chat, Number(ref), fitting.text, looks(fitting), stop),
        signal,
      ),
    )
  } catch (error) {
    if (!isRefusal(error, /message is not modified/i)) throw error
  }
  return ref
}

async function remove(api: BotApi, { place, ref }: Delete, signal: AbortSignal): Promise<string> {
  try {
    await api.call((bot, stop) => bot.deleteMessage(place.chat, Number(ref), stop), signal)
  } catch (error) {
    if (!isRefusal(error, /message to delete not found|message_id_invalid/i)) throw error
  }
  return ref
}

function isRefusal(error: unknown, message: RegExp): boolean {
  return error instanceof CallError && error.code === 400 && message.test(error.message)
}

function looks({ entities, reply_markup: markup }: MessageContent) {
  return {
    entities,
    link_preview_options: { is_disabled: true },
    ...(markup === undefined ? {} : { reply_markup: markup }),
  }
}

/** The topic, where the place is one. */
export function threadOf({ thread }: Place): { message_thread_id?: number } {
  return thread === undefined ? {} : { message_thread_id: Number(thread) }
}

/** A content as it comes back from the store, in the terms of the Bot API. */
export function deliverable(content: Content): MessageContent {
  const parsed = messageContent.safeParse(content)
  if (parsed.success) return parsed.data
  throw new CallError('refused', 'this content is not of this transport', { code: 400 })
}

/** A text without looks is better than none. */
async function withPlainFallback<T>(
  wire: Content,
  make: (content: MessageContent) => Promise<T>,
): Promise<T> {
  const content = deliverable(wire)
  try {
    return await make(content)
  } catch (error) {
    if (!(error instanceof CallError) || error.code !== 400 || content.entities.length === 0) throw error
    if (!/entit|\burl\b/i.test(error.message)) throw error
    return make({ ...content, entities: [] })
  }
}

function failure(error: unknown, operation: Operation): DeliveryError {
  if (!(error instanceof CallError)) {
    return new DeliveryError('rejected', 'a delivery stumbled over itself', { cause: error })
  }
  switch (error.failure) {
    case 'unsent':
      return new DeliveryError('unreachable', error.message)
    case 'lost':
      // Changing and deleting twice is the same as once.
      return new DeliveryError(operation.type === 'post' ? 'unknown' : 'unreachable', error.message)
    case 'refused':
      return refusal(error, operation)
  }
}

function refusal(error: CallError, operation: Operation): DeliveryError {
  const { code, message } = error
  if (code === 429) {
    return new DeliveryError('rate-limited', message, { retryAfterMs: error.retryAfterMs ?? 1000 })
  }
  // The token was taken back: what is to be delivered can wait for the next one.
  if (code === 401 || code === 404) {
    return new DeliveryError('unreachable', `Telegram refuses the token: ${message}`)
  }
  if (operation.type === 'edit' && isGone(message)) return new DeliveryError('gone', message)
  return new DeliveryError('rejected', inPlainWords(error))
}

function isGone(message: string): boolean {
  return /message to edit not found|message can't be edited|message_id_invalid/i.test(message)
}

const plainWords: readonly (readonly [RegExp, string])[] = [
  [/bot was blocked/i, 'the person has blocked the bot'],
  [/user is deactivated/i, 'the account of the person does not exist any more'],
  [/can't initiate conversation/i, 'the person has never written to the bot, so it may not begin'],
  [/bot was kicked|bot is not a member/i, 'the bot is not in that group any more'],
  [/not enough rights|have no rights|chat_write_forbidden/i, 'the bot may not write in that chat'],
  [/chat not found/i, 'Telegram knows no such chat'],
  [/message thread not found|topic_deleted|topic_id_invalid/i, 'the topic was deleted'],
  [/topic_closed/i, 'the topic is closed'],
]

function inPlainWords({ message, movedTo }: CallError): string {
  if (movedTo !== undefined) {
    return `the group has become a supergroup: its id is ${movedTo} now, put that into allowed_group_ids`
  }
  const known = plainWords.find(([pattern]) => pattern.test(message))
  return known === undefined ? message : `${known[1]} (${message})`
}
