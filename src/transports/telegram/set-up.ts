import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Interview, SetUp } from '../../core/set-up.ts'
import { UserError } from '../../core/user-error.ts'
import { BotApi, CallError } from './bot-api.ts'
import { config } from './config.ts'

const timeoutMs = 20_000
const lookEveryMs = 1000
/** As many as one answer of Telegram holds: if so many wait, a new one cannot be seen without losing them. */
const fullAnswer = 100

interface Bot {
  readonly api: BotApi
  readonly token: string
  readonly username: string
  /** False: in groups it hears only what is addressed to it. */
  readonly readsGroups: boolean
}

export const setUp: SetUp = {
  title: 'Telegram',
  hint: 'a bot of your own, made with @BotFather',
  options: {
    'telegram-token': { says: 'the token of your bot, from @BotFather' },
    'telegram-user-id': { says: 'your own numeric id; several with commas' },
    'telegram-groups': { says: 'the bot works in groups, too', switch: true },
    'telegram-group-ids': { says: 'the ids of those groups, with commas' },
    'telegram-api-root': { says: 'another Bot API server than the public one' },
  },
  async run(interview) {
    const root = rootOf(interview.given('telegram-api-root'))
    const bot = await askBot(interview, root)
    const code = String(randomInt(100_000, 1_000_000))
    interview.tell(
      `This is @${bot.username}. Who are you? Open https://t.me/${bot.username}?start=${code} and press Start,\nor send “/start ${code}” to @${bot.username} now. Your numeric id, typed here, does as well.`,
    )
    const users = await interview.text({
      option: 'telegram-user-id',
      ask: 'Your own id (found by itself when the bot hears from you)',
      example: '123456789',
      accept: (words) => idsOf('allowed_user_ids', words),
      meanwhile: (signal) => findSender(bot.api, code, signal),
    })
    const groups = await askGroups(interview, bot, users)
    return {
      keys: {
        telegram_token: bot.token,
        allowed_user_ids: users,
        ...(groups.length === 0 ? {} : { allowed_group_ids: groups }),
        ...(root === usualRoot ? {} : { telegram_api_root: root }),
      },
      next: `Write to @${bot.username} in Telegram: https://t.me/${bot.username}`,
    }
  },
}

const usualRoot = 'https://api.telegram.org'

function rootOf(given: string | undefined): string {
  return given === undefined ? usualRoot : judged(config.shape.telegram_api_root, given)
}

function askBot(interview: Interview, root: string): Promise<Bot> {
  interview.tell(
    'A bot of your own: write /newbot to @BotFather (https://t.me/BotFather), choose a name, copy the token.',
  )
  return interview.text({
    option: 'telegram-token',
    ask: 'The token of your bot',
    secret: true,
    busy: 'Asking Telegram who this is',
    async accept(words, signal): Promise<Bot> {
      const token = judged(config.shape.telegram_token, words)
      const api = new BotApi({ token, root, timeoutMs })
      try {
        const me = await api.call((bot, stop) => bot.getMe(stop), signal)
        return { api, token, username: me.username, readsGroups: me.can_read_all_group_messages }
      } catch (error) {
        throw inWords(error)
      }
    },
  })
}

async function askGroups(
  interview: Interview,
  bot: Bot,
  users: readonly number[],
): Promise<readonly number[]> {
  const wanted = await interview.confirm({
    option: 'telegram-groups',
    ask: 'Shall the bot work in groups, too?',
    initial: interview.given('telegram-group-ids') !== undefined,
  })
  if (!wanted) return []
  interview.tell(
    [
      `Add @${bot.username} to the group, and write a message there that names it: “@${bot.username} hello”.`,
      ...(bot.readsGroups
        ? []
        : [
            'In groups a bot hears only commands, answers to it, and what names it. To let it hear everything, write',
            '/setprivacy to @BotFather, choose Disable, and add the bot to the group anew.',
          ]),
      'A group with topics is several conversations: each topic has its own.',
    ].join('\n'),
  )
  return interview.text({
    option: 'telegram-group-ids',
    ask: 'The id of the group (found by itself when you write there)',
    example: '-1001234567890',
    accept: (words) => idsOf('allowed_group_ids', words),
    meanwhile: (signal) => findGroup(bot.api, users, signal),
  })
}

/** Ids have at most 52 bits: they are whole numbers to JSON. */
function idsOf(key: 'allowed_user_ids' | 'allowed_group_ids', words: string): readonly number[] {
  const ids = words.split(/[\s,;]+/).filter((word) => word !== '')
  if (ids.length === 0) throw new UserError('A number is needed, such as 123456789.')
  return judged(config.shape[key], ids).map(Number)
}

function judged<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new UserError(result.error.issues.map(({ message }) => message).join(' '))
}

const person = z.object({ id: z.number() })
/** Of an update, only what tells who wrote what, and where. */
const update = z.object({
  message: z
    .object({
      text: z.string().optional(),
      from: person.optional(),
      chat: z.object({ id: z.number(), type: z.string() }),
    })
    .optional()
    .catch(undefined),
})

type Heard = NonNullable<z.infer<typeof update>['message']>

/** Waits for the code in a private chat. What waits for the bot goes on waiting: nothing is confirmed. */
function findSender(api: BotApi, code: string, signal: AbortSignal): Promise<string> {
  return listenFor(api, signal, ({ text = '', chat, from }) =>
    chat.type === 'private' && new RegExp(`(?:^|\\s)${code}\\s*$`).test(text) ? from?.id : undefined,
  )
}

/** Waits for one of these people to write in a group. */
function findGroup(api: BotApi, users: readonly number[], signal: AbortSignal): Promise<string> {
  return listenFor(api, signal, ({ chat, from }) =>
    chat.type.endsWith('group') && from !== undefined && users.includes(from.id) ? chat.id : undefined,
  )
}

async function listenFor(
  api: BotApi,
  signal: AbortSignal,
  look: (message: Heard) => number | undefined,
): Promise<string> {
  for (;;) {
    const updates = await waiting(api, signal)
    for (const one of updates) {
      const { message } = update.parse(one)
      const id = message === undefined ? undefined : look(message)
      if (id !== undefined) return String(id)
    }
    if (updates.length >= fullAnswer) {
      throw new UserError(
        'So many messages wait for this bot that a new one cannot be seen. Type the number.',
      )
    }
    await sleep(lookEveryMs, undefined, { signal })
  }
}

async function waiting(api: BotApi, signal: AbortSignal): Promise<readonly object[]> {
  try {
    return await api.call((bot, stop) => bot.getUpdates({ limit: fullAnswer, timeout: 0 }, stop), signal)
  } catch (error) {
    signal.throwIfAborted()
    // What is not there now may be there in a moment.
    if (error instanceof CallError && error.failure !== 'refused') return []
    throw inWords(error)
  }
}

function inWords(error: unknown): unknown {
  if (!(error instanceof CallError)) return error
  const { code, message } = error
  if (code === 401 || code === 404) {
    return new UserError('Telegram knows no bot with this token. Copy it anew from @BotFather (/mybots).')
  }
  if (code === 409) {
    return new UserError(
      'Another program is connected to this bot, or a webhook is set, so its messages cannot be seen here. Type the number.',
    )
  }
  return new UserError(`Telegram: ${message}.`)
}
