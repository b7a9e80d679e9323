import { z } from 'zod'
import { chatMethods } from './telegram-chat-methods.fake.ts'
import { checkKeyboard, keyboard } from './telegram-keyboard.fake.ts'
import { mediaMethods } from './telegram-media.fake.ts'
import {
  chatId,
  entities,
  flag,
  integer,
  method,
  replyParameters,
  wired,
  type Method,
} from './telegram-method.fake.ts'
import type { WireText } from './telegram-entities.fake.ts'
import { badRequest, Refusal } from './telegram-refusal.fake.ts'
import { checkRich, richMessage } from './telegram-rich.fake.ts'
import { threadOfMessage, type WireMessage, type World } from './telegram-world.fake.ts'

const linkPreview = wired(z.strictObject({ is_disabled: z.boolean().optional() }))
/** The methods by their names in lower case: the server does not mind the case. */
export const methods: ReadonlyMap<string, Method> = new Map(
  Object.entries({
    getMe: method({}, (_, { world }) => ({
      ...world.bot,
      can_join_groups: true,
      can_read_all_group_messages: world.readsGroups,
      has_topics_enabled: world.topicsInPrivate,
      supports_inline_queries: false,
    })),
    deleteWebhook: method(
      { drop_pending_updates: flag.optional() },
      ({ drop_pending_updates: drop }, { world }) => {
        world.updates.webhook = undefined
        if (drop === true) world.updates.clear()
        return true
      },
    ),
    setWebhook: method({ url: z.string() }, ({ url }, { world }) => {
      world.updates.webhook = url === '' ? undefined : url
      return true
    }),
    getWebhookInfo: method({}, (_, { world }) => ({
      url: world.updates.webhook ?? '',
      has_custom_certificate: false,
      pending_update_count: world.updates.pending.length,
    })),
    getUpdates: method(
      {
        offset: integer.optional(),
        limit: integer.optional(),
        timeout: integer.optional(),
        allowed_updates: wired(z.array(z.string())).optional(),
      },
      ({ offset = 0, limit = 100, timeout = 0, allowed_updates: allowed }, { world, gone }) => {
        if (allowed !== undefined) world.updates.allow(allowed)
        const most = Math.min(Math.max(limit, 1), 100)
        return world.updates.poll({ offset, limit: most, timeoutSeconds: Math.max(0, timeout) }, gone)
      },
    ),
    sendMessage: method(
      {
        chat_id: chatId,
        text: z.string(),
        entities: entities.optional(),
        message_thread_id: integer.optional(),
        disable_notification: flag.optional(),
        link_preview_options: linkPreview.optional(),
        reply_parameters: replyParameters.optional(),
        reply_markup: wired(keyboard).optional(),
      },
      (
        { chat_id: id, text, message_thread_id: thread, reply_parameters: reply, ...rest },
        { world, flood },
      ) => {
        const chat = world.writable(id)
        const answered = reply === undefined ? undefined : chat.messages.get(reply.message_id)
        const topic = world.topic(chat, thread, answered)
        const fixed = world.fixText(text, rest.entities ?? [])
        if (rest.reply_markup !== undefined) checkKeyboard(rest.reply_markup, world.limits)
        if (reply !== undefined && answered === undefined && reply.allow_sending_without_reply !== true) {
          throw badRequest('message to be replied not found')
        }
        flood.spend(id)
        world.noteSent(id, fixed.text)
        world.endDraft(id, thread)
        return world.put(chat, {
          from: world.bot,
          ...(fixed.entities.length === 0 ? { text: fixed.text } : fixed),
          ...threadOfMessage(chat, topic, answered),
          ...(rest.reply_markup === undefined ? {} : { reply_markup: rest.reply_markup }),
          ...(rest.disable_notification === true ? { silent: true } : {}),
        })
      },
    ),
    sendRichMessage: method(
      {
        chat_id: chatId,
        rich_message: wired(richMessage),
        message_thread_id: integer.optional(),
        disable_notification: flag.optional(),
        reply_parameters: replyParameters.optional(),
        reply_markup: wired(keyboard).optional(),
      },
      ({ chat_id: id, rich_message: rich, message_thread_id: thread, ...rest }, { world, flood }) => {
        if (!world.offersRich) throw new Refusal(404, 'Not Found: method not found')
        const chat = world.writable(id)
        const reply = rest.reply_parameters
        const answered = reply === undefined ? undefined : chat.messages.get(reply.message_id)
        const topic = world.topic(chat, thread, answered)
        const shown = richOf(rich, world)
        if (rest.reply_markup !== undefined) checkKeyboard(rest.reply_markup, world.limits)
        if (reply !== undefined && answered === undefined && reply.allow_sending_without_reply !== true) {
          throw badRequest('message to be replied not found')
        }
        flood.spend(id)
        world.noteSent(id, JSON.stringify(shown))
        world.endDraft(id, thread)
        return world.put(chat, {
          from: world.bot,
          ...shown,
          ...threadOfMessage(chat, topic, answered),
          ...(rest.reply_markup === undefined ? {} : { reply_markup: rest.reply_markup }),
          ...(rest.disable_notification === true ? { silent: true } : {}),
        })
      },
    ),
    editMessageText: method(
      {
        chat_id: chatId,
        message_id: integer,
        text: z.string().optional(),
        rich_message: wired(richMessage).optional(),
        entities: entities.optional(),
        link_preview_options: linkPreview.optional(),
        reply_markup: wired(keyboard).optional(),
      },
      (
        {
          chat_id: id,
          message_id: messageId,
          text,
          rich_message: rich,
          entities: looks,
          reply_markup: markup,
        },
        { world, flood },
      ) => {
        const chat = world.writable(id)
        const old = chat.messages.get(messageId)
        if (old?.from?.id !== world.bot.id) flood.spendMiss(id)
        if (old === undefined) throw badRequest('message to edit not found')
        if (old.from?.id !== world.bot.id) throw badRequest("message can't be edited")
        if (old.text === undefined && old.rich_message === undefined) {
          throw badRequest('there is no text in the message to edit')
        }
        if (rich !== undefined && text !== undefined) throw badRequest('text and rich_message are given')
        const shown =
          rich === undefined ? textOf(world.fixText(text ?? '', looks ?? [])) : richOf(rich, world)
        if (markup !== undefined) checkKeyboard(markup, world.limits)
        flood.spend(id)
        if (sameMessage(old, shown, markup)) {
          throw badRequest(
            'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
          )
        }
        // What is left out is taken away: the keyboard too.
        const { text: _text, rich_message: _rich, entities: _looks, reply_markup: _markup, ...kept } = old
        const message: WireMessage = {
          ...kept,
          edit_date: Math.floor(world.now() / 1000),
          ...shown,
          ...(markup === undefined ? {} : { reply_markup: markup }),
        }
        chat.messages.set(messageId, message)
        return message
      },
    ),
    deleteMessage: method(
      { chat_id: chatId, message_id: integer },
      ({ chat_id: id, message_id: messageId }, { world }) => {
        const chat = world.reachable(id)
        const message = chat.messages.get(messageId)
        if (message === undefined) throw badRequest('message to delete not found')
        const mine = message.from?.id === world.bot.id
        const old = world.now() - message.date * 1000 > world.limits.deleteWithinMs
        if (old || (!mine && chat.wire.type !== 'private' && chat.bot !== 'administrator')) {
          throw badRequest("message can't be deleted for everyone")
        }
        chat.messages.delete(messageId)
        return true
      },
    ),
    sendChatAction: method(
      { chat_id: chatId, action: z.string(), message_thread_id: integer.optional() },
      ({ chat_id: id, action, message_thread_id: thread }, { world }) => {
        world.topic(world.writable(id), thread)
        if (!/^(?:typing|upload_(?:photo|video|voice|document)|record_(?:video|voice))$/.test(action)) {
          throw badRequest('wrong parameter action in request')
        }
        return true
      },
    ),
    answerCallbackQuery: method(
      { callback_query_id: z.string(), text: z.string().optional(), show_alert: flag.optional() },
      ({ callback_query_id: id, text = '' }, { world }) => {
        const query = world.queries.get(id)
        if (query !== undefined) query.tried = true
        const late = query === undefined || world.now() - query.at > world.limits.pressAnswerMs
        if (late || query.answered) {
          throw badRequest('query is too old and response timeout expired or query ID is invalid')
        }
        if (Array.from(text).length > 200) throw badRequest('MESSAGE_TOO_LONG')
        query.answered = true
        return true
      },
    ),
    ...chatMethods,
    ...mediaMethods,
  } satisfies Record<string, Method>).map(([name, one]) => [name.toLowerCase(), one]),
)

type Shown = Pick<WireMessage, 'text' | 'entities' | 'rich_message'>

function textOf({ text, entities: looks }: WireText): Shown {
  return looks.length === 0 ? { text } : { text, entities: looks }
}

function richOf(given: z.infer<typeof richMessage>, world: World): Shown {
  if (!world.offersRich) throw badRequest('message text is empty')
  return { rich_message: checkRich(given, world.limits) }
}

function sameMessage(old: WireMessage, shown: Shown, markup: unknown): boolean {
  return (
    old.text === shown.text &&
    JSON.stringify(old.rich_message) === JSON.stringify(shown.rich_message) &&
    JSON.stringify(old.entities) === JSON.stringify(shown.entities) &&
    JSON.stringify(old.reply_markup) === JSON.stringify(markup)
  )
}
