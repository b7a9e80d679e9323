import { z } from 'zod'
import type { Flood } from './telegram-flood.fake.ts'
import { checkKeyboard, keyboard } from './telegram-keyboard.fake.ts'
import { badRequest, Refusal } from './telegram-refusal.fake.ts'
import { threadOfMessage, type WireMessage, type World } from './telegram-world.fake.ts'

interface Call {
  readonly world: World
  readonly flood: Flood
  /** Aborted when the client has gone. */
  readonly gone: AbortSignal
}

interface Method {
  /** The parameters that this fake knows; the server ignores others in silence. */
  readonly parameters: readonly string[]
  run(parameters: unknown, call: Call): unknown
}

/** Lists, objects and numbers come as JSON, inside JSON or as text in a form. */
function wired<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.preprocess((value) => {
    if (typeof value !== 'string') return value
    try {
      return JSON.parse(value)
    } catch {
      // No JSON: the schema says what is wrong with it.
      return value
    }
  }, schema)
}

const integer = wired(z.int())
const flag = wired(z.boolean())
const chatId = wired(z.int())
const entities = wired(
  z.array(
    z.strictObject({
      type: z.string(),
      offset: z.int(),
      length: z.int(),
      url: z.string().exactOptional(),
      language: z.string().exactOptional(),
    }),
  ),
)

function method<Shape extends z.ZodRawShape>(
  shape: Shape,
  run: (parameters: z.infer<z.ZodObject<Shape>>, call: Call) => unknown,
): Method {
  const schema = z.object(shape)
  return {
    parameters: Object.keys(shape),
    run: (parameters, call) => {
      const parsed = schema.safeParse(parameters)
      if (!parsed.success) throw badRequest(missing(parsed.error))
      return run(parsed.data, call)
    },
  }
}

/** As the server says it for what is left out most often. */
function missing(error: z.ZodError): string {
  const key = String(error.issues[0]?.path[0] ?? '')
  if (key === 'chat_id') return 'chat_id is empty'
  if (key === 'text') return 'message text is empty'
  if (key === 'message_id') return 'message identifier is not specified'
  if (key === 'entities') return "can't parse entities: wrong MessageEntity"
  if (key === 'reply_markup') return "can't parse reply keyboard markup JSON object"
  return `wrong parameter ${key} in request`
}

const linkPreview = wired(z.strictObject({ is_disabled: z.boolean().optional() }))
const replyParameters = wired(
  z.strictObject({ message_id: z.int(), allow_sending_without_reply: z.boolean().optional() }),
)

/** The methods by their names in lower case: the server does not mind the case. */
export const methods: ReadonlyMap<string, Method> = new Map(
  Object.entries({
    getMe: method({}, (_, { world }) => ({
      ...world.bot,
      can_join_groups: true,
      can_read_all_group_messages: world.readsGroups,
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
        const topic = world.topic(chat, thread)
        const fixed = world.fixText(text, rest.entities ?? [])
        if (rest.reply_markup !== undefined) checkKeyboard(rest.reply_markup, world.limits)
        const answered = reply === undefined ? undefined : chat.messages.get(reply.message_id)
        if (reply !== undefined && answered === undefined && reply.allow_sending_without_reply !== true) {
          throw badRequest('message to be replied not found')
        }
        flood.spend(id)
        world.noteSent(id, fixed.text)
        return world.put(chat, {
          from: world.bot,
          ...(fixed.entities.length === 0 ? { text: fixed.text } : fixed),
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
        text: z.string(),
        entities: entities.optional(),
        link_preview_options: linkPreview.optional(),
        reply_markup: wired(keyboard).optional(),
      },
      (
        { chat_id: id, message_id: messageId, text, entities: looks, reply_markup: markup },
        { world, flood },
      ) => {
        const chat = world.writable(id)
        const old = chat.messages.get(messageId)
        if (old === undefined) throw badRequest('message to edit not found')
        if (old.from?.id !== world.bot.id) throw badRequest("message can't be edited")
        if (old.text === undefined) throw badRequest('there is no text in the message to edit')
        const fixed = world.fixText(text, looks ?? [])
        if (markup !== undefined) checkKeyboard(markup, world.limits)
        flood.spend(id)
        if (sameMessage(old, fixed, markup)) {
          throw badRequest(
            'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
          )
        }
        // What is left out is taken away: the keyboard too.
        const { entities: _looks, reply_markup: _markup, ...kept } = old
        const message: WireMessage = {
          ...kept,
          edit_date: Math.floor(world.now() / 1000),
          text: fixed.text,
          ...(fixed.entities.length === 0 ? {} : { entities: fixed.entities }),
          ...(markup === undefined ? {} : { reply_markup: markup }),
        }
        chat.messages.set(messageId, message)
        return message
      },
    ),
    deleteMessage: method(
      { chat_id: chatId, message_id: integer },
      ({ chat_id: id, message_id: messageId }, { world }) => {
        const chat = world.writable(id)
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
        const late = query === undefined || world.now() - query.at > world.limits.pressAnswerMs
        if (late || query.answered) {
          throw badRequest('query is too old and response timeout expired or query ID is invalid')
        }
        if (Array.from(text).length > 200) throw badRequest('MESSAGE_TOO_LONG')
        query.answered = true
        return true
      },
    ),
    setMyCommands: method(
      { commands: wired(z.array(z.strictObject({ command: z.string(), description: z.string() }))) },
      ({ commands }, { world }) => {
        if (commands.length > 100) throw badRequest('BOT_COMMANDS_TOO_MUCH')
        for (const { command, description } of commands) {
          if (!/^[a-z0-9_]{1,32}$/.test(command)) throw badRequest('BOT_COMMAND_INVALID')
          if (description.trim() === '' || description.length > 256) {
            throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID')
          }
        }
        world.commands = commands
        return true
      },
    ),
    leaveChat: method({ chat_id: chatId }, ({ chat_id: id }, { world }) => {
      const chat = world.chats.get(id)
      if (chat === undefined) throw badRequest('chat not found')
      if (chat.wire.type === 'private')
        throw badRequest("chat member status can't be changed in private chats")
      if (chat.bot === 'left' || chat.bot === 'kicked') {
        throw new Refusal(403, `Forbidden: bot is not a member of the ${chat.wire.type} chat`)
      }
      chat.bot = 'left'
      return true
    }),
  } satisfies Record<string, Method>).map(([name, one]) => [name.toLowerCase(), one]),
)

function sameMessage(
  old: WireMessage,
  fixed: { readonly text: string; readonly entities: readonly unknown[] },
  markup: unknown,
): boolean {
  return (
    old.text === fixed.text &&
    JSON.stringify(old.entities ?? []) === JSON.stringify(fixed.entities) &&
    JSON.stringify(old.reply_markup) === JSON.stringify(markup)
  )
}
