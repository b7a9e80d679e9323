import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../core/define.ts'
import { FatalError } from '../../core/transport.ts'
import { MatrixClient, MatrixError, path } from './client.ts'
import { filled, type LogInConfig } from './config.ts'
import type { Credentials, CredentialsFile } from './credentials.ts'
import { findHomeserver } from './discovery.ts'
import { findOAuth, logInByBrowser, OAuthRefusal, renew, type OAuthServer } from './oauth.ts'
import * as wire from './wire.ts'

/** One device of the bot's account, with a token that the homeserver has just accepted. */
export interface SignedIn {
  readonly client: MatrixClient
  readonly userId: string
  readonly deviceId: string
  /** By password, just now: a token that dies at once after that must not lead to a second log-in. */
  readonly fresh: boolean
}

export interface SignInDeps {
  readonly matrix: LogInConfig
  readonly file: Pick<CredentialsFile, 'read' | 'write'>
  readonly log: Log
  /** Tells a person that we wait because the homeserver asked us to. */
  readonly resting: (ms: number) => void
  /** Tells a person where to log in. */
  readonly asking: (text: string) => void
}

/** A token that the homeserver does not accept any more. */
export interface Dead {
  readonly deviceId: string
  /** The device is still there: logging in as the same device keeps what belongs to it. */
  readonly soft: boolean
}

/**
 * Signs in: with the log-in that is kept, else with the configured token, else with the password, once.
 * Throws `FatalError` where only a person can help; `NoAnswer` and `MatrixError` where later may be better.
 */
export async function signIn(deps: SignInDeps, signal: AbortSignal): Promise<SignedIn> {
  const { matrix, file, log } = deps
  const kept = await file.read()
  const configured = configuredToken(matrix)
  const base = await findHomeserver(matrix.homeserver, log, signal)
  const dead: Dead[] = []
  for (const credentials of [kept, configured]) {
    if (credentials === undefined) continue
    const client = clientOf(deps, base, credentials)
    const found = await whoIs(client, credentials, signal)
    if ('soft' in found) {
      log.warn({ device: credentials.deviceId, soft: found.soft }, 'the homeserver has ended this log-in')
      dead.push(found)
      continue
    }
    const { userId, deviceId } = found
    if (!isOf(userId, matrix.user_id)) {
      if (credentials === kept) {
        log.warn({ token: userId, configured: matrix.user_id }, 'credentials.json is of another account')
        continue
      }
      throw new FatalError(
        `matrix.access_token belongs to ${userId}, but matrix.user_id is ${matrix.user_id}. Correct one of them.`,
      )
    }
    if (credentials === configured) {
      checkDevice(configured, deviceId)
      await keep(deps, configured)
    } else if (filled(matrix.password)) {
      log.warn({}, 'matrix.password is not needed any more: it can be removed from config.json')
    }
    return { client, userId, deviceId, fresh: false }
  }
  return logIn(deps, base, dead, signal)
}

/** Speaks with this token, and with those that take its place as they run out. Each is on the disk before it is used. */
function clientOf(deps: SignInDeps, base: string, { oauth, ...credentials }: Credentials): MatrixClient {
  if (oauth === undefined) return new MatrixClient(base, credentials.accessToken)
  let current = { accessToken: credentials.accessToken, grant: oauth }
  let renewing: Promise<string | undefined> | undefined
  // For everybody who waits for it: it must not end with the first one's patience.
  const renewOnce = async (): Promise<string | undefined> => {
    try {
      current = await renew(current.grant, AbortSignal.timeout(60_000))
      await keep(deps, { ...credentials, accessToken: current.accessToken, oauth: current.grant })
      return current.accessToken
    } catch (error) {
      if (!(error instanceof OAuthRefusal)) throw error
      deps.log.warn({ reason: error.message }, 'the log-in cannot be renewed')
      return undefined
    }
  }
  return new MatrixClient(base, credentials.accessToken, async (used) => {
    if (used !== current.accessToken) return current.accessToken
    renewing ??= renewOnce().finally(() => {
      renewing = undefined
    })
    return renewing
  })
}

export function configuredToken({ user_id, device_id, access_token }: LogInConfig): Credentials | undefined {
  if (!filled(device_id) || !filled(access_token)) return undefined
  return { userId: user_id, deviceId: device_id, accessToken: access_token }
}

/** A disk that does not take it must not lead to another log-in: this run goes on with what it has. */
async function keep({ file, log }: SignInDeps, credentials: Credentials): Promise<void> {
  try {
    await file.write(credentials)
  } catch (error) {
    log.error({ err: error }, 'credentials.json cannot be written: the next start has to log in again')
  }
}

function isOf(userId: string, configured: string): boolean {
  return userId.toLowerCase() === configured.toLowerCase()
}

function checkDevice(configured: Credentials, deviceId: string): void {
  if (deviceId === configured.deviceId) return
  throw new FatalError(
    `matrix.access_token was made for the device ${deviceId}, but matrix.device_id is ${configured.deviceId}. Correct one of them.`,
  )
}

/** Whose token it is; or that the homeserver does not accept it. */
export async function tryToken(
  base: string,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<{ readonly userId: string; readonly deviceId: string } | Dead> {
  return whoIs(new MatrixClient(base, credentials.accessToken), credentials, signal)
}

async function whoIs(
  client: MatrixClient,
  { deviceId }: Credentials,
  signal: AbortSignal,
): Promise<{ readonly userId: string; readonly deviceId: string } | Dead> {
  try {
    const call = { method: 'GET', path: path`/account/whoami` } as const
    const answer = await client.call(call, wire.whoami, signal)
    return { userId: answer.user_id, deviceId: answer.device_id ?? deviceId }
  } catch (error) {
    if (error instanceof MatrixError && error.deadToken) return { deviceId, soft: error.softLogout }
    throw error
  }
}

async function logIn(
  deps: SignInDeps,
  base: string,
  dead: readonly Dead[],
  signal: AbortSignal,
): Promise<SignedIn> {
  const { matrix, log } = deps
  const device = dead.find(({ soft }) => soft)?.deviceId
  const flows = await flowsOf(base, signal)
  if (!filled(matrix.password) || !flows.includes('m.login.password')) {
    const server = await findOAuth(base, signal)
    if (server !== undefined) return byBrowser(deps, base, server, device, signal)
    throw new FatalError(noWayIn(flows, dead.length > 0, filled(matrix.password)))
  }
  const body = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: matrix.user_id },
    password: matrix.password,
    initial_device_display_name: 'ductor',
    ...(device === undefined ? {} : { device_id: device }),
  }
  const answer = await askOnce(deps, base, body, signal)
  const credentials = {
    userId: answer.user_id,
    deviceId: answer.device_id,
    accessToken: answer.access_token,
  }
  await keep(deps, credentials)
  log.info(
    { user: credentials.userId, device: credentials.deviceId },
    'logged in to Matrix with the password',
  )
  const { userId, deviceId, accessToken } = credentials
  return { client: new MatrixClient(base, accessToken), userId, deviceId, fresh: true }
}

/** Can one log in there by password at all? */
export async function offersPasswords(base: string, signal: AbortSignal): Promise<boolean> {
  return (await flowsOf(base, signal)).includes('m.login.password')
}

/** The ways to log in there, by their names in Matrix. */
export async function flowsOf(base: string, signal: AbortSignal): Promise<readonly string[]> {
  const call = { method: 'GET', path: path`/login` } as const
  const { flows } = await new MatrixClient(base).call(call, wire.loginFlows, signal)
  return flows.map(({ type }) => type)
}

async function byBrowser(
  deps: SignInDeps,
  base: string,
  server: OAuthServer,
  device: string | undefined,
  signal: AbortSignal,
): Promise<SignedIn> {
  const { matrix, log, asking } = deps
  const { accessToken, deviceId, grant } = await logInByBrowser({ server, device, ask: asking }, signal)
  const credentials = { userId: matrix.user_id, deviceId, accessToken, oauth: grant }
  const client = clientOf(deps, base, credentials)
  const found = await whoIs(client, credentials, signal)
  if ('soft' in found)
    throw new FatalError('The homeserver refuses the log-in that was allowed a moment ago.')
  if (!isOf(found.userId, matrix.user_id)) {
    throw new FatalError(
      `The log-in was allowed as ${found.userId}, but matrix.user_id is ${matrix.user_id}. Log in as the bot in the browser, or correct matrix.user_id.`,
    )
  }
  await keep(deps, { ...credentials, userId: found.userId, deviceId: found.deviceId })
  log.info({ user: found.userId, device: found.deviceId }, 'logged in to Matrix in the browser')
  return { client, ...found, fresh: true }
}

function noWayIn(flows: readonly string[], ended: boolean, password: boolean): string {
  const token = 'matrix.access_token together with matrix.device_id'
  if (password) {
    return `This homeserver has no log-in by password (it offers ${flows.join(', ') || 'nothing'}). Make an access token for the bot with the tools of the homeserver, and set ${token}; or run “ductor onboarding”, which can log in by browser.`
  }
  if (ended) {
    return `The homeserver has ended the log-in of the bot, and there is no password to log in again. Put matrix.password into config.json, or a new ${token}, and start ductor again.`
  }
  return `Matrix has nothing to log in with. Set matrix.password (needed once), or ${token}.`
}

/** One attempt: servers lock out who tries too often. Only "too early" is answered with patience. */
async function askOnce(
  { matrix, resting }: SignInDeps,
  base: string,
  body: unknown,
  signal: AbortSignal,
): Promise<{ readonly user_id: string; readonly device_id: string; readonly access_token: string }> {
  const client = new MatrixClient(base)
  for (;;) {
    try {
      return await client.call({ method: 'POST', path: path`/login`, body }, wire.loggedIn, signal)
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      if (error.rateLimited) {
        const ms = error.retryAfterMs ?? 60_000
        resting(ms)
        await sleep(ms, undefined, { signal })
        continue
      }
      if (error.passing) throw error
      throw new FatalError(refusalOf(error, matrix.user_id), { cause: error })
    }
  }
}

function refusalOf(error: MatrixError, userId: string): string {
  switch (error.code) {
    case 'M_FORBIDDEN':
      return `The homeserver refuses the password of ${userId}. Check matrix.user_id and matrix.password (and that matrix.homeserver is the server of this account).`
    case 'M_USER_DEACTIVATED':
      return `The account ${userId} was deactivated. Make another account for the bot.`
    default:
      return `The homeserver refuses the log-in of ${userId}: ${error.message}`
  }
}
