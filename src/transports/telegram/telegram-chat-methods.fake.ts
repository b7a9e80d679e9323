import { z } from 'zod'
import { chatId, entities, flag, integer, method, wired, type Method } from './telegram-method.fake.ts'
import { badRequest, Refusal } from './telegram-refusal.fake.ts'

const scopes: ReadonlySet<string> = new Set([
  'default',
  'all_private_chats',
  'all_group_chats',
  'all_chat_administrators',
  'chat',
  'chat_administrators',
  'chat_member',
])

/** What a bot may react with. */
export const reactions: ReadonlySet<string> = new Set(
  '👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡'.split(
    ' ',
  ),
)
const reaction = z.object({ type: z.literal('emoji'), emoji: z.string() })

/** Methods about chats, and what is shown in them without a message. */
export const chatMethods = {
  getChat: method({ chat_id: chatId }, ({ chat_id: id }, { world }) => {
    const chat = world.chats.get(id)
    if (chat === undefined) throw badRequest('chat not found')
    return chat.wire.type === 'private' ? chat.wire : world.reachable(id).wire
  }),
  sendMessageDraft: method(
    {
      chat_id: chatId,
      draft_id: integer,
      text: z.string().optional(),
      entities: entities.optional(),
      message_thread_id: integer.optional(),
      can_stop: flag.optional(),
      keep_on_stop: flag.optional(),
    },
    ({ chat_id: id, draft_id: draft, text = '', message_thread_id: thread, ...rest }, { world, flood }) => {
      if (!world.offersDrafts) throw new Refusal(404, 'Not Found: method not found')
      const chat = world.writable(id)
      if (chat.wire.type !== 'private') throw badRequest('TEXTDRAFT_PEER_INVALID')
      world.topic(chat, thread)
      if (draft === 0) throw badRequest('DRAFT_ID_INVALID')
      const fixed = text === '' ? { text, entities: [] } : world.fixText(text, rest.entities ?? [])
      flood.spendDraft(id)
      world.showDraft(id, thread, { id: draft, ...fixed, canStop: rest.can_stop === true })
      return true
    },
  ),
  setMessageReaction: method(
    {
      chat_id: chatId,
      message_id: integer,
      reaction: wired(z.array(reaction)).optional(),
      is_big: flag.optional(),
    },
    ({ chat_id: id, message_id: message, reaction: wanted = [] }, { world }) => {
      const chat = world.reachable(id)
      if (!chat.messages.has(message)) throw badRequest('message to react not found')
      if (wanted.length > 1) throw badRequest('REACTIONS_TOO_MANY')
      const [first] = wanted
      if (first !== undefined && !reactions.has(first.emoji)) throw badRequest('REACTION_INVALID')
      if (first === undefined) world.reactions.delete(`${id}:${message}`)
      else world.reactions.set(`${id}:${message}`, first.emoji)
      return true
    },
  ),
  setMyCommands: method(
    {
      commands: wired(z.array(z.strictObject({ command: z.string(), description: z.string() }))),
      scope: wired(z.object({ type: z.string() })).optional(),
      language_code: z.string().optional(),
    },
    ({ commands, scope = { type: 'default' }, language_code: language }, { world }) => {
      if (!scopes.has(scope.type)) throw badRequest("can't parse BotCommandScope: unsupported type specified")
      if (language !== undefined && !/^([a-z]{2})?$/.test(language)) throw badRequest('invalid language code')
      if (commands.length > 100) throw badRequest('BOT_COMMANDS_TOO_MUCH')
      for (const { command, description } of commands) {
        if (!/^[a-z0-9_]{1,32}$/.test(command)) throw badRequest('BOT_COMMAND_INVALID')
        if (description.trim() === '' || description.length > 256) {
          throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID')
        }
      }
      world.commands.set(language ? `${scope.type} ${language}` : scope.type, commands)
      return true
    },
  ),
  leaveChat: method({ chat_id: chatId }, ({ chat_id: id }, { world }) => {
    const chat = world.chats.get(id)
    if (chat === undefined) throw badRequest('chat not found')
    if (chat.wire.type === 'private') throw badRequest("chat member status can't be changed in private chats")
    if (chat.bot === 'left' || chat.bot === 'kicked') {
      throw new Refusal(403, `Forbidden: bot is not a member of the ${chat.wire.type} chat`)
    }
    chat.bot = 'left'
    return true
  }),
} satisfies Record<string, Method>
