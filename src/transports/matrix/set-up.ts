import { join } from 'node:path'
import type { z } from 'zod'
import type { Log } from '../../core/define.ts'
import type { Interview, SetUp } from '../../core/set-up.ts'
import { FatalError } from '../../core/transport.ts'
import { UserError } from '../../core/user-error.ts'
import { listenForBrowser, tokenIn } from './browser-login.ts'
import { MatrixClient, MatrixError, NoAnswer, path } from './client.ts'
import { config, filled, isLoopback } from './config.ts'
import { CredentialsFile, type Credentials } from './credentials.ts'
import { findHomeserver } from './discovery.ts'
import { flowsOf, signIn, tryToken } from './login.ts'
import * as wire from './wire.ts'

const fields = config.shape.matrix.shape
const usualStore = 'matrix_store'

interface Homeserver {
  /** Of its client API. */
  readonly base: string
  readonly flows: readonly string[]
}

interface LogIn {
  readonly credentials: Credentials
  readonly password?: string
}

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
    'matrix-allowed-users': { says: 'who may talk to the bot: @you:matrix.org; several with commas' },
  },
  async run(interview, { home, log, alone }) {
    const { base, flows } = await askHomeserver(interview, log)
    interview.tell(`The homeserver answers at ${base}.`)
    const userId = await interview.text({
      option: 'matrix-user-id',
      ask: 'The account of the bot',
      example: '@my_bot:matrix.org',
      accept: (words) => judged(fields.user_id, words),
    })
    const logIn = await askLogIn(interview, { base, flows }, userId, log)
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
    const matrix = {
      homeserver: base,
      user_id: userId,
      ...(keep ? { password: logIn.password } : {}),
      allowed_rooms: [],
      allowed_users: allowed,
      ...(alone ? {} : { store_path: usualStore }),
    }
    const file = new CredentialsFile(join(home, usualStore), { homeserver: base, userId }, log)
    return {
      keys: { matrix },
      next: `Invite ${userId} to a room, or begin a chat with it, and write.`,
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
        return { base, flows: await flowsOf(base, signal) }
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

async function askLogIn(
  interview: Interview,
  { base, flows }: Homeserver,
  userId: string,
  log: Log,
): Promise<LogIn> {
  const ways = [
    ...(flows.includes('m.login.password') ? [{ value: 'password', label: 'With its password' }] : []),
    ...(flows.includes('m.login.sso') && flows.includes('m.login.token')
      ? [{ value: 'browser', label: 'In the browser', hint: 'as the homeserver wants it' }]
      : []),
    { value: 'token', label: 'With an access token', hint: 'made with the tools of the homeserver' },
  ]
  const way =
    wayGiven(interview) ??
    (await interview.choose({ option: 'matrix-log-in', ask: 'How shall it log in?', choices: ways }))
  switch (way) {
    case 'password':
      return withPassword(interview, base, userId, log)
    case 'browser':
      return withBrowser(interview, base, userId)
    default:
      return withToken(interview, base, userId)
  }
}

function wayGiven(interview: Interview): string | undefined {
  if (interview.given('matrix-log-in') !== undefined) return undefined
  if (interview.given('matrix-access-token') !== undefined) return 'token'
  return interview.given('matrix-password') === undefined ? undefined : 'password'
}

function withPassword(interview: Interview, base: string, userId: string, log: Log): Promise<LogIn> {
  return interview.text({
    option: 'matrix-password',
    ask: `The password of ${userId}`,
    secret: true,
    busy: 'Logging in',
    async accept(password, signal): Promise<LogIn> {
      if (password === '') throw new UserError('A password is needed.')
      let credentials: Credentials | undefined
      const deps = {
        matrix: { homeserver: base, user_id: userId, password },
        log,
        resting() {},
        asking() {
          throw new UserError('This homeserver wants a log-in in the browser.')
        },
        file: {
          read: async () => undefined,
          write: async (made: Credentials) => {
            credentials = made
          },
        },
      }
      try {
        await signIn(deps, signal)
      } catch (error) {
        throw inWords(error)
      }
      if (credentials === undefined) throw new Error('the log-in gave no credentials')
      return { credentials, password }
    },
    undo: ({ credentials }) => logOut(base, credentials),
  })
}

function withToken(interview: Interview, base: string, userId: string): Promise<LogIn> {
  return interview.text({
    option: 'matrix-access-token',
    ask: `An access token of ${userId}`,
    secret: true,
    busy: 'Asking the homeserver whose token this is',
    async accept(words, signal): Promise<LogIn> {
      const accessToken = words.trim()
      if (accessToken === '') throw new UserError('An access token is needed.')
      try {
        const found = await tryToken(base, { userId, accessToken, deviceId: '' }, signal)
        if ('soft' in found) throw new UserError('The homeserver does not accept this token. Make a new one.')
        const { deviceId } = found
        if (!filled(deviceId)) throw new UserError('This token belongs to no device. Make one by logging in.')
        return { credentials: ofAccount({ ...found, accessToken }, userId) }
      } catch (error) {
        throw inWords(error)
      }
    },
  })
}

async function withBrowser(interview: Interview, base: string, userId: string): Promise<LogIn> {
  const browser = listenForBrowser(base)
  try {
    interview.tell(
      `Log in as ${userId} in a browser:\n${await browser.address}\nIs it on another machine? Then paste here the address that it ends at, although nothing is shown there.`,
    )
    return await interview.text({
      option: 'matrix-login-token',
      ask: 'Waiting for the browser',
      example: 'http://127.0.0.1:…/?loginToken=…',
      busy: 'Logging in',
      meanwhile: (signal) => browser.token(signal),
      async accept(words, signal): Promise<LogIn> {
        const body = {
          type: 'm.login.token',
          token: tokenIn(words),
          initial_device_display_name: 'ductor',
        }
        try {
          const call = { method: 'POST', path: path`/login`, body } as const
          const made = await new MatrixClient(base).call(call, wire.loggedIn, signal)
          const credentials = {
            userId: made.user_id,
            deviceId: made.device_id,
            accessToken: made.access_token,
          }
          return { credentials: ofAccount(credentials, userId) }
        } catch (error) {
          throw inWords(error)
        }
      },
      undo: ({ credentials }) => logOut(base, credentials),
    })
  } finally {
    browser.close()
  }
}

/** Throws `UserError` where the log-in is somebody else's. */
function ofAccount(credentials: Credentials, userId: string): Credentials {
  if (credentials.userId.toLowerCase() === userId.toLowerCase()) return credentials
  throw new UserError(
    `That is the account ${credentials.userId}, not ${userId}. Go back (Escape) if the account is wrong.`,
  )
}

/** The device was made for a setup that is not finished: nobody else will remove it. */
async function logOut(base: string, { accessToken }: Credentials): Promise<void> {
  try {
    const call = { method: 'POST', path: path`/logout`, body: {}, timeoutMs: 5000 } as const
    await new MatrixClient(base, accessToken).call(call, wire.done, AbortSignal.timeout(5000))
  } catch (error) {
    // A device more in the account's list does no harm.
    if (!(error instanceof NoAnswer || error instanceof MatrixError)) throw error
  }
}

function usersOf(words: string, bot: string): readonly string[] {
  const users = words.split(/[\s,;]+/).filter((word) => word !== '')
  if (users.length === 0) throw new UserError('At least one account is needed, such as @you:matrix.org.')
  if (users.includes(bot)) throw new UserError(`${bot} is the bot itself. Who shall talk to it?`)
  return judged(fields.allowed_users, users)
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

function inWords(error: unknown): unknown {
  if (error instanceof FatalError || error instanceof MatrixError || error instanceof NoAnswer) {
    return new UserError(error.message, { cause: error })
  }
  return error
}
