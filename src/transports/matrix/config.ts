import { z } from 'zod'
import type { Warning } from '../../core/define.ts'
import { readRecoveryKey } from './crypto/recovery-key.ts'

const examples = {
  homeserver: 'https://matrix-client.matrix.org',
  user: '@my_bot:example.org',
}

/** Nobody owns these; they are what the setup guide prints where one's own value belongs. */
const placeholder = /^YOUR_/

const userId = /^@[^:\s]+:\S+$/
const roomIdOrAlias = /^(?:![^\s]+|#[^:\s]+:\S+)$/

const matrix = z
  .object(
    {
      homeserver: required(`the full URL of the homeserver, like ${examples.homeserver}`)
        .superRefine((url, context) => {
          const fault = homeserverFault(url)
          if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
        })
        .describe('Full URL of the homeserver, including https://'),
      user_id: required(`the account of the bot, like ${examples.user}`)
        .regex(userId, `must be a full user id, @name:server.domain, like ${examples.user}`)
        .describe('The account of the bot, @name:server.domain'),
      password: secret('the password of the account').describe(
        'Needed for the first log-in only; a token takes over after it',
      ),
      access_token: secret('an access token of the account').describe(
        'Saved by ductor after the first log-in, or set by hand together with device_id',
      ),
      device_id: z.string().optional().describe('Set by hand together with access_token'),
      allowed_rooms: z
        .array(z.string().regex(roomIdOrAlias, 'must be a room id (!abc:server) or an alias (#name:server)'))
        .default([])
        .describe('Room ids or aliases to operate in. Empty: all rooms'),
      allowed_users: z
        .array(z.string().regex(userId, 'must be a full user id, @name:server.domain'))
        .default([])
        .describe('Who may talk to the bot. Empty: everyone'),
      owner_room: z
        .string()
        .regex(roomIdOrAlias, 'must be a room id (!abc:server) or an alias (#name:server)')
        .optional()
        .describe(
          'Where the owner is told what concerns the whole installation; the direct chat with the first of `allowed_users` where it is left out, which the bot begins when there is something to tell',
        ),
      streaming: z
        .enum(['segments', 'edits'])
        .default('segments')
        .describe(
          'How an answer grows: `segments`, a message for each finished stretch; `edits`, messages that are edited',
        ),
      threads: z
        .boolean()
        .default(false)
        .describe('A thread is a conversation of its own, and answers go into it'),
      choices: z
        .enum(['reactions', 'polls'])
        .default('reactions')
        .describe('What choices are pressed with: reactions 1️⃣–🔟 on a list, or a poll'),
      max_file_mb: z
        .number()
        .positive()
        .default(50)
        .describe('The largest file that is taken from a chat, in MB'),
      store_path: z
        .string()
        .default('matrix_store')
        .refine(staysInside, 'must be a folder inside the home folder of ductor, like matrix_store')
        .describe('Where the log-in and the encryption keys are kept, relative to the home folder'),
      encryption: z
        .object({
          recovery_key: secret('the recovery key of the account')
            .refine(
              (text) => !filled(text) || readRecoveryKey(text) !== undefined,
              'is no recovery key: it should be twelve groups of four letters and digits, like EsTc …',
            )
            .describe(
              'The recovery key of the account, where another client or an earlier log-in has made one',
            ),
          trust: z
            .enum(['all-devices', 'signed-devices'])
            .default('all-devices')
            .describe(
              'In encrypted rooms, read what comes from all devices and what comes unencrypted, or only what comes from devices that their owner has verified',
            ),
        })
        .default({ trust: 'all-devices' })
        .describe('End-to-end encryption'),
    },
    { error: ({ input }) => (input === undefined ? blockMissing : undefined) },
  )
  .superRefine(({ access_token: token, device_id: device }, context) => {
    if (filled(token) && !filled(device)) {
      const message = 'is missing: access_token works only together with the device_id that it was made for'
      context.addIssue({ code: 'custom', path: ['device_id'], message })
    }
    if (filled(device) && !filled(token)) {
      const message = 'is missing: device_id works only together with an access_token of that device'
      context.addIssue({ code: 'custom', path: ['access_token'], message })
    }
  })

const blockMissing = `Matrix needs a block with homeserver (like ${examples.homeserver}), user_id (like ${examples.user}) and password`

/** The keys that Matrix takes from the whole file. */
export const config = z.object({
  matrix,
  group_mention_only: z
    .boolean()
    .default(false)
    .describe('In rooms with several people, hear only what is addressed to the bot'),
})

export type MatrixConfig = z.infer<typeof config>

/** What a log-in is made with. */
export type LogInConfig = Pick<
  MatrixConfig['matrix'],
  'homeserver' | 'user_id' | 'password' | 'access_token' | 'device_id'
>

/** Not undefined, and not the empty string that stands for it in older files. */
export function filled(text: string | undefined): text is string {
  return text !== undefined && text !== ''
}

export function warnings({
  matrix: { allowed_rooms: rooms, allowed_users: users },
}: MatrixConfig): Warning[] {
  const found: Warning[] = []
  if (users.length === 0) {
    const where = rooms.length === 0 ? 'who can invite it to a room' : 'in the allowed rooms'
    const message = `is empty, so everyone ${where} may command the agent on this machine. List the user ids that may, like ["@you:example.org"].`
    found.push({ key: 'matrix.allowed_users', message })
  }
  const sample = users.find((id) => id === '@you:matrix.org')
  if (sample !== undefined) {
    const message = `lists ${sample}, the example of the setup guide, who is a stranger to you. Put your own user id in its place.`
    found.push({ key: 'matrix.allowed_users', message })
  }
  return found
}

function required(what: string) {
  return z
    .string({
      error: ({ input }) => (input === undefined ? `${what} is needed` : `must be a text: ${what}`),
    })
    .min(1, { error: `is empty: it should be ${what}`, abort: true })
}

function secret(what: string) {
  return z
    .string()
    .refine(
      (text) => !placeholder.test(text),
      `is still the example of the setup guide: it should be ${what}, or not be there at all`,
    )
    .optional()
}

function homeserverFault(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return `must be a full URL with https://, like ${examples.homeserver}`
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return `must begin with https://: over http:// the whole network could read the password. (http:// is for a homeserver on this machine.)`
  }
  if (url.username !== '' || url.password !== '') {
    return 'must not hold a name or a password: those have keys of their own, user_id and password'
  }
  if (url.search !== '' || url.hash !== '') return 'must end with the host or a path: without ? and #'
  return undefined
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}

function staysInside(path: string): boolean {
  const absolute = /^(?:[/\\~]|[A-Za-z]:)/.test(path)
  return path !== '' && !absolute && !path.split(/[/\\]/).includes('..')
}
