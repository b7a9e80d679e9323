import { z } from 'zod'
import type { Warning } from '../../core/define.ts'

const aToken =
  'It looks like 123456789:AAH-abcdefghijklmnopqrstuvwxyz01234; @BotFather gives one in Telegram (/newbot for a new bot, /mybots for one that you have).'

const token = z
  .string({ error: `The token of your bot is needed. ${aToken}` })
  .trim()
  .superRefine((value, context) => {
    if (value === '') context.addIssue(`The token of your bot is needed. ${aToken}`)
    else if (/^your[_ -]/i.test(value)) {
      context.addIssue(`This is the example's placeholder: put the token of your own bot here. ${aToken}`)
    } else if (!/^\d+:[\w-]{8,}$/.test(value)) context.addIssue(`This is no bot token. ${aToken}`)
  })

const anId =
  'must be a list of numbers such as [123456789]. Whoever writes to your bot without being in the list is named by number in its log.'

/** Ids have up to 52 bits; written as text they are exact whatever reads them. */
const id = z
  .union([z.number(), z.string()], {
    error: 'must be a number such as 123456789; a name can change its owner',
  })
  .transform((value, context) => {
    const text = typeof value === 'number' ? String(value) : value.trim()
    if (/^-?\d{1,19}$/.test(text) && (typeof value === 'string' || Number.isSafeInteger(value))) {
      return String(BigInt(text))
    }
    context.addIssue(`“${text}” must be a number such as 123456789; a name can change its owner`)
    return z.NEVER
  })

const userIds = z
  .array(
    id.refine((value) => /^[1-9]/.test(value), {
      error: 'must be the number of a person, above zero; groups belong into allowed_group_ids',
    }),
    { error: anId },
  )
  .default([])

const groupIds = z.array(id, { error: 'must be a list of numbers such as [-1001234567890]' }).default([])

const root = z
  .string({ error: 'must be the address of a Bot API server, such as https://api.telegram.org' })
  .trim()
  .superRefine((value, context) => {
    const url = URL.parse(value)
    if (url === null || !/^https?:$/.test(url.protocol)) {
      return context.addIssue('must be the address of a Bot API server, such as https://api.telegram.org')
    }
    if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
      return context.addIssue(
        'must begin with https://: the token would travel readable. http:// is for a server on this machine.',
      )
    }
    if (url.username !== '' || url.search !== '' || url.hash !== '') {
      context.addIssue('must be an address without a name, a query or a #')
    }
  })
  .transform((value) => value.replace(/\/+$/, ''))
  .default('https://api.telegram.org')

const flag = (usual: boolean, about: string) =>
  z.boolean({ error: 'must be true or false' }).default(usual).describe(about)
const ways = 'must be "auto", "drafts" or "edits"'
const seconds = 'must be a number of seconds, 1 or more'

const streaming = z
  .object(
    {
      enabled: flag(true, 'Whether a running turn is shown as it goes on; else only its answer.'),
      telegram: z
        .enum(['auto', 'drafts', 'edits'], { error: ways })
        .default('auto')
        .describe(
          'How a running turn is shown: as a draft that becomes a message at the end (`drafts`, in private chats), as a message that is edited (`edits`), or as a draft where Telegram takes one (`auto`).',
        ),
      edit_interval_seconds: z
        .number({ error: seconds })
        .min(1, { error: seconds })
        .default(1.5)
        .describe('Seconds between two showings in one chat, at least; groups take no more than one in 4 s.'),
      show_tool_progress: flag(true, 'Whether a line tells of each tool that the agent uses.'),
      show_thinking_indicator: flag(true, 'Whether a word tells that the agent thinks.'),
      show_reasoning_stream: flag(false, 'Whether what the agent thinks is shown, folded.'),
    },
    { error: 'must be a block: { … }' },
  )
  .prefault({})

const scene = z
  .object(
    {
      seen_reaction: flag(false, 'Whether a message that was taken gets the reaction 👀.'),
      status_reaction: flag(
        true,
        'Whether the message of a running turn has the reaction ✍ until it is answered, and 💔 where it failed.',
      ),
    },
    { error: 'must be a block: { … }' },
  )
  .prefault({})

/** The keys of config.json that are ours. */
export const config = z.object({
  telegram_token: token.describe('The token of the bot, from @BotFather.'),
  allowed_user_ids: userIds.describe('The numbers of the people who may talk to the bot. Empty: nobody.'),
  allowed_group_ids: groupIds.describe(
    'The numbers of the groups that it works in, for these people. Empty: none.',
  ),
  group_mention_only: flag(false, 'In groups, hear only what is addressed to the bot.'),
  telegram_api_root: root.describe('Another Bot API server than the public one.'),
  streaming,
  scene,
})

export type TelegramConfig = z.infer<typeof config>

export function warnings({
  allowed_user_ids: users,
  allowed_group_ids: groups,
}: TelegramConfig): readonly Warning[] {
  const found: Warning[] = []
  if (users.length === 0) {
    found.push({
      key: 'allowed_user_ids',
      message:
        'The list is empty, so nobody may talk to the bot on Telegram. Write to it once: the log then says your number.',
    })
  }
  const positive = groups.filter((group) => !group.startsWith('-'))
  if (positive.length > 0) {
    found.push({
      key: 'allowed_group_ids',
      message: `Ids of groups begin with a minus (-100… for most), so ${positive.join(', ')} will match no group.`,
    })
  }
  return found
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}
