import type { Log } from '../../core/define.ts'
import type { Interview } from '../../core/set-up.ts'
import { FatalError } from '../../core/transport.ts'
import { UserError } from '../../core/user-error.ts'
import { listenForBrowser, tokenIn } from './browser-login.ts'
import { MatrixClient, MatrixError, NoAnswer, path } from './client.ts'
import { filled } from './config.ts'
import type { Credentials } from './credentials.ts'
import { signIn, tryToken, type SignInDeps } from './login.ts'
import * as wire from './wire.ts'

export interface Homeserver {
  /** Of its client API. */
  readonly base: string
  readonly flows: readonly string[]
  /** Can a log-in be allowed in a browser, as the Matrix Authentication Service wants it? */
  readonly oauth: boolean
}

export interface LogIn {
  readonly credentials: Credentials
  readonly password?: string
}

/** Asks how the bot shall log in, and does it. Going back behind it, or leaving, logs out again. */
export async function askLogIn(
  interview: Interview,
  { base, flows, oauth }: Homeserver,
  userId: string,
  log: Log,
): Promise<LogIn> {
  const ways = [
    ...(flows.includes('m.login.password') ? [{ value: 'password', label: 'With its password' }] : []),
    ...(oauth || (flows.includes('m.login.sso') && flows.includes('m.login.token'))
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
      return oauth ? withPermission(interview, base, userId, log) : withBrowser(interview, base, userId)
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
      const matrix = { homeserver: base, user_id: userId, password }
      const credentials = await logInNow(matrix, log, wantsBrowser, signal)
      return { credentials, password }
    },
    undo: ({ credentials }) => logOut(base, credentials),
  })
}

function wantsBrowser(): never {
  throw new UserError('This homeserver wants a log-in in the browser.')
}

/** A person allows it in any browser; meanwhile we ask again and again whether it was. */
function withPermission(interview: Interview, base: string, userId: string, log: Log): Promise<LogIn> {
  return interview.text({
    option: 'matrix-browser',
    ask: `Is a browser at hand, to log in as ${userId} and allow ductor?`,
    initial: 'yes',
    busy: 'Asking the homeserver for an address',
    async accept(_words, signal): Promise<LogIn> {
      const matrix = { homeserver: base, user_id: userId }
      return { credentials: await logInNow(matrix, log, (text) => interview.tell(text), signal) }
    },
    undo: ({ credentials }) => logOut(base, credentials),
  })
}

/** Logs in as a start would, and hands over what that would have written. */
async function logInNow(
  matrix: SignInDeps['matrix'],
  log: Log,
  asking: (text: string) => void,
  signal: AbortSignal,
): Promise<Credentials> {
  let credentials: Credentials | undefined
  const file = {
    read: async () => undefined,
    write: async (made: Credentials) => {
      credentials = made
    },
  }
  try {
    await signIn({ matrix, file, log, asking, resting() {} }, signal)
  } catch (error) {
    throw inWords(error)
  }
  if (credentials === undefined) throw new Error('the log-in gave no credentials')
  return credentials
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

/** What the homeserver, or the way to it, says to the person; anything else stays what it is. */
export function inWords(error: unknown): unknown {
  if (error instanceof NoAnswer) {
    // Which call it was is of no use to a person.
    const what = error.message.replace(/^[A-Z]+ \/\S+: /, '').replace(/^no /, 'No ')
    return new UserError(`${what}. Is the address right, and does this machine reach it?`, { cause: error })
  }
  if (error instanceof FatalError || error instanceof MatrixError) {
    return new UserError(error.message, { cause: error })
  }
  return error
}
