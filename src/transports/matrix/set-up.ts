import { join } from 'node:path'
import type { z } from 'zod'
import type { Log } from '../../core/define.ts'
import type { Interview, SetUp } from '../../core/set-up.ts'
import { UserError } from '../../core/user-error.ts'
import { config, isLoopback } from './config.ts'
import { CredentialsFile } from './credentials.ts'
import { findHomeserver } from './discovery.ts'
import { flowsOf } from './login.ts'
import { findOAuth } from './oauth.ts'
import { askLogIn, inWords, type Homeserver } from './set-up-log-in.ts'
import { askRooms, firstStep } from './set-up-rooms.ts'

const fields = config.shape.matrix.shape
const usualStore = 'matrix_store'

export const setUp: SetUp = {
  title: 'Matrix',
  hint: 'an account of its own for the bot, on any homeserver',
  options: {
    'matrix-homeserver': { says: 'its name or URL: matrix.org, https://matrix-client.matrix.org' },
    'matrix-user-id': { says: 'the account of the bot: @my_bot:matrix.org' },
    'matrix-log-in': { says: 'how: password, browser or token' },
    'matrix-password': { says: 'the password of the bot; better given as DUCTOR_MATRIX_PASSWORD' },
    'matrix-keep-password': { says: 'write the password into config.json all the same', switch: true },
    'matrix-access-token': { says: 'a token that was made for the bot, in place of a password' },
    'matrix-allowed-rooms': { says: 'only in these rooms: ids or aliases with commas; all, if left out' },
    'matrix-allowed-users': { says: 'who may talk to the bot: @you:matrix.org; several with commas' },
  },
  async run(interview, { home, log, alone }) {
    const homeserver = await askHomeserver(interview, log)
    const { base } = homeserver
    interview.tell(`The homeserver answers at ${base}.`)
    const userId = await interview.text({
      option: 'matrix-user-id',
      ask: 'The account of the bot',
      example: '@my_bot:matrix.org',
      accept: (words) => judged(fields.user_id, words),
    })
    const logIn = await askLogIn(interview, homeserver, userId, log)
    const keep =
      logIn.password !== undefined &&
      (await interview.confirm({
        option: 'matrix-keep-password',
        ask: 'Logged in. From now on a token is used; keep the password in config.json all the same?',
        initial: false,
      }))
    const allowed = await interview.text({
      option: 'matrix-allowed-users',
      ask: 'Who may talk to the bot? Your own account',
      example: '@you:matrix.org',
      accept: (words) => usersOf(words, userId),
    })
    const { accessToken } = logIn.credentials
    const rooms = await askRooms(interview, { base, accessToken, userId })
    const matrix = {
      homeserver: base,
      user_id: userId,
      ...(keep ? { password: logIn.password } : {}),
      allowed_rooms: rooms.map(({ name }) => name),
      allowed_users: allowed,
      ...(alone ? {} : { store_path: usualStore }),
    }
    const file = new CredentialsFile(join(home, usualStore), { homeserver: base, userId }, log)
    return {
      keys: { matrix },
      next: firstStep(rooms, userId),
      save: () => file.write(logIn.credentials),
    }
  },
}

function askHomeserver(interview: Interview, log: Log): Promise<Homeserver> {
  return interview.text({
    option: 'matrix-homeserver',
    ask: 'The homeserver of the bot’s account, by name or URL',
    example: 'matrix.org',
    busy: 'Looking for the homeserver',
    async accept(words, signal) {
      const url = judged(fields.homeserver, urlOf(words.trim()))
      try {
        const base = await findHomeserver(url.replace(/\/+$/, ''), log, signal)
        const [flows, oauth] = await Promise.all([flowsOf(base, signal), findOAuth(base, signal)])
        return { base, flows, oauth: oauth !== undefined }
      } catch (error) {
        throw inWords(error)
      }
    },
  })
}

/** A server's name stands for https://; for a server on this machine, http:// is what one has. */
function urlOf(words: string): string {
  if (words === '' || words.includes('://')) return words
  const host = URL.parse(`http://${words}`)?.hostname ?? ''
  return `${isLoopback(host) ? 'http' : 'https'}://${words}`
}

function usersOf(words: string, bot: string): readonly string[] {
  const users = words.split(/[\s,;]+/).filter((word) => word !== '')
  if (users.length === 0) throw new UserError('At least one account is needed, such as @you:matrix.org.')
  if (users.includes(bot)) throw new UserError(`${bot} is the bot itself. Who shall talk to it?`)
  return users.map((user) => judged(fields.user_id, user))
}

function judged<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(typeof value === 'string' ? value.trim() : value)
  if (result.success) return result.data
  const message = result.error.issues[0]?.message ?? ''
  const shown = typeof value === 'string' ? `“${value}” ` : ''
  throw new UserError(
    message.startsWith('is ') || message.startsWith('must ') ? `${shown}${message}` : message,
  )
}
