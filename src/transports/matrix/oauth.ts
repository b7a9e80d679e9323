import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { FatalError } from '../../core/transport.ts'
import { MatrixClient, MatrixError, NoAnswer } from './client.ts'
import { isLoopback } from './config.ts'

/**
 * The log-in in a browser that a homeserver with the Matrix Authentication Service wants: the person opens an address
 * on any device and allows it, and the bot gets tokens that run out and are renewed.
 * https://spec.matrix.org/v1.16/client-server-api/#oauth-20-api, RFC 8628, RFC 7591, RFC 6749.
 */

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

const endpoint = z.string().refine(isSafe, 'must be an https:// address')

const metadataSchema = z.object({
  token_endpoint: endpoint,
  registration_endpoint: endpoint,
  device_authorization_endpoint: endpoint,
})

const clientSchema = z.object({ client_id: z.string() })

const waitingSchema = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  verification_uri_complete: z.string().optional(),
  expires_in: z.number().positive(),
  interval: z.number().positive().default(5),
})

const tokensSchema = z.object({ access_token: z.string(), refresh_token: z.string() })

const refusalSchema = z.object({ error: z.string() })

export interface OAuthServer {
  readonly tokenEndpoint: string
  readonly registrationEndpoint: string
  readonly deviceEndpoint: string
  /** What the names of Matrix' scopes begin with there. */
  readonly scope: string
}

/** What renews a log-in. */
export interface OAuthGrant {
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly refreshToken: string
}

/** The OAuth server said no, in its own terms: `invalid_grant`, `access_denied`, … */
export class OAuthRefusal extends Error {
  override readonly name = 'OAuthRefusal'
  readonly code: string

  constructor(what: string, code: string) {
    super(`${what}: ${code}`)
    this.code = code
  }
}

/** Undefined where the homeserver has no such log-in. */
export async function findOAuth(base: string, signal: AbortSignal): Promise<OAuthServer | undefined> {
  const places = [
    { path: '/_matrix/client/v1/auth_metadata', scope: 'urn:matrix:client' },
    {
      path: '/_matrix/client/unstable/org.matrix.msc2965/auth_metadata',
      scope: 'urn:matrix:org.matrix.msc2967.client',
    },
  ]
  for (const { path, scope } of places) {
    try {
      const answer: unknown = await new MatrixClient(base).call({ method: 'GET', path }, z.unknown(), signal)
      const found = metadataSchema.safeParse(answer).data
      if (found === undefined) continue
      const { token_endpoint: tokenEndpoint, registration_endpoint: registrationEndpoint } = found
      return {
        tokenEndpoint,
        registrationEndpoint,
        deviceEndpoint: found.device_authorization_endpoint,
        scope,
      }
    } catch (error) {
      if (!(error instanceof MatrixError) || error.passing) throw error
    }
  }
  return undefined
}

export interface DeviceLogIn {
  readonly server: OAuthServer
  /** The device to be again; undefined for a new one. */
  readonly device: string | undefined
  /** Tells a person where to go, and what to type there. */
  readonly ask: (text: string) => void
}

export interface Granted {
  readonly deviceId: string
  readonly accessToken: string
  readonly grant: OAuthGrant
}

/**
 * Asks a person to allow the log-in, for as long as it takes. Throws `FatalError` where they refuse it, `NoAnswer`
 * where the server does not answer.
 */
export async function logInByBrowser(
  { server, device, ask }: DeviceLogIn,
  signal: AbortSignal,
): Promise<Granted> {
  const deviceId = device ?? freshDevice()
  const client = {
    client_name: 'ductor',
    client_uri: 'https://www.npmjs.com/package/ductor',
    application_type: 'native',
  }
  const wanted = { token_endpoint_auth_method: 'none', grant_types: [deviceGrant, 'refresh_token'] }
  const register = { ...client, ...wanted, response_types: [] }
  const { client_id: clientId } = await post(server.registrationEndpoint, register, clientSchema, signal)
  for (;;) {
    const scope = `${server.scope}:api:* ${server.scope}:device:${deviceId}`
    const begin = new URLSearchParams({ client_id: clientId, scope })
    const waiting = await post(server.deviceEndpoint, begin, waitingSchema, signal)
    ask(invitation(waiting))
    const tokens = await allowed(server, clientId, waiting, signal)
    // Nobody came in time: another code.
    if (tokens === undefined) continue
    const grant = { tokenEndpoint: server.tokenEndpoint, clientId, refreshToken: tokens.refresh_token }
    return { deviceId, accessToken: tokens.access_token, grant }
  }
}

/** New tokens for old ones. Throws `OAuthRefusal` where the log-in has ended, `NoAnswer` where nobody answers. */
export async function renew(
  { tokenEndpoint, clientId, refreshToken }: OAuthGrant,
  signal: AbortSignal,
): Promise<{ readonly accessToken: string; readonly grant: OAuthGrant }> {
  const fields = { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken }
  const tokens = await post(tokenEndpoint, new URLSearchParams(fields), tokensSchema, signal)
  return {
    accessToken: tokens.access_token,
    grant: { tokenEndpoint, clientId, refreshToken: tokens.refresh_token },
  }
}

/** The tokens when somebody has allowed it; undefined when the code has run out. */
async function allowed(
  { tokenEndpoint }: OAuthServer,
  clientId: string,
  { device_code: code, expires_in: seconds, interval }: z.infer<typeof waitingSchema>,
  signal: AbortSignal,
): Promise<z.infer<typeof tokensSchema> | undefined> {
  const end = Date.now() + seconds * 1000
  let pauseMs = interval * 1000
  while (Date.now() < end) {
    await sleep(pauseMs, undefined, { signal })
    const fields = { grant_type: deviceGrant, client_id: clientId, device_code: code }
    try {
      return await post(tokenEndpoint, new URLSearchParams(fields), tokensSchema, signal)
    } catch (error) {
      if (error instanceof NoAnswer) continue
      if (!(error instanceof OAuthRefusal)) throw error
      if (error.code === 'expired_token') return undefined
      if (error.code === 'access_denied') throw new FatalError(denied, { cause: error })
      if (error.code === 'slow_down') pauseMs += 5_000
      else if (error.code !== 'authorization_pending')
        throw new FatalError(`The log-in failed: ${error.message}`, { cause: error })
    }
  }
  return undefined
}

const denied = 'The log-in of the bot was refused in the browser. Start ductor again to ask once more.'

function invitation({
  verification_uri: uri,
  verification_uri_complete: whole,
  user_code: code,
}: z.infer<typeof waitingSchema>) {
  const address = whole !== undefined && isSafe(whole) ? whole : uri
  return `Log in as the bot in a browser, on any device: open ${address} and allow ductor (code ${code}).`
}

async function post<T>(
  url: string,
  body: URLSearchParams | Readonly<Record<string, unknown>>,
  shape: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T> {
  const form = body instanceof URLSearchParams
  const { origin, pathname } = new URL(url)
  const what = `POST ${origin}${pathname}`
  const { status, json } = await exchange(url, form ? body : JSON.stringify(body), form, what, signal)
  if (status >= 200 && status < 300) {
    const parsed = shape.safeParse(json)
    if (parsed.success) return parsed.data
    throw new NoAnswer(`${what}: that is not the answer of an OAuth server`)
  }
  const refusal = refusalSchema.safeParse(json).data
  if (refusal === undefined || status >= 500) throw new NoAnswer(`${what}: HTTP status ${status}`)
  throw new OAuthRefusal(what, refusal.error)
}

async function exchange(
  url: string,
  body: URLSearchParams | string,
  form: boolean,
  what: string,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly json: unknown }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json',
        accept: 'application/json',
      },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
    })
    const text = await response.text()
    return { status: response.status, json: parseJson(text) }
  } catch (error) {
    signal.throwIfAborted()
    throw new NoAnswer(`${what}: no answer`, { cause: error })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy speaks: the schema takes nothing of it.
    return undefined
  }
}

/** Tokens go only where nobody listens. */
function isSafe(url: string): boolean {
  const parsed = URL.parse(url)
  return parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && isLoopback(parsed.hostname))
}

function freshDevice(): string {
  return randomBytes(8).toString('hex').toUpperCase().slice(0, 10)
}
