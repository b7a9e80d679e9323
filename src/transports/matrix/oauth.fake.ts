import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Synapse } from '../../../tests/support/synapse.ts'

interface Asked {
  readonly client: string
  readonly device: string
  readonly user: string
  state: 'pending' | 'allowed' | 'denied' | 'expired'
  polledAt: number
}

interface Grant {
  readonly client: string
  /** Of the real homeserver behind it. */
  readonly token: string
}

const intervalMs = 100

/**
 * A homeserver whose log-in is that of the Matrix Authentication Service, written by the specifications (no such
 * service is to be had here): it stands before a real Synapse, and changes its own short-lived tokens into those of
 * Synapse. It refuses whatever the specifications do not allow.
 */
export class OAuthFront {
  readonly #synapse: Synapse
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy())
  })
  readonly #clients = new Set<string>()
  readonly #asked = new Map<string, Asked>()
  readonly #access = new Map<string, Grant>()
  readonly #refresh = new Map<string, Grant>()
  /** Codes that a person may type in, with their device codes. */
  readonly #codes = new Map<string, string>()
  /** Calls of the token endpoint that were no polling. */
  refreshed = 0
  /** Lets the answer to the next renewal get lost. */
  loseNextRenewal = false

  private constructor(synapse: Synapse) {
    this.#synapse = synapse
  }

  static async before(synapse: Synapse): Promise<OAuthFront> {
    const front = new OAuthFront(synapse)
    front.#server.listen(0, '127.0.0.1')
    await once(front.#server, 'listening')
    return front
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('it does not listen')
    return `http://127.0.0.1:${address.port}`
  }

  /** What the person does who was shown the code: logs in as `user` and allows it. */
  allow(code: string, user: string): void {
    this.#set(code, 'allowed', user)
  }

  deny(code: string): void {
    this.#set(code, 'denied', '')
  }

  expire(code: string): void {
    this.#set(code, 'expired', '')
  }

  /** The access tokens that are out now have run out. */
  expireAccess(): void {
    this.#access.clear()
  }

  /** The session was ended: nothing renews it. */
  endSession(): void {
    this.#access.clear()
    this.#refresh.clear()
    this.#server.closeAllConnections()
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #set(code: string, state: Asked['state'], user: string): void {
    const device = this.#codes.get(code) ?? ''
    const asked = this.#asked.get(device)
    if (asked === undefined) throw new Error(`nobody was given the code ${code}`)
    this.#asked.set(device, { ...asked, state, user })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', this.url)
    const send = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    switch (pathname) {
      case '/_matrix/client/v1/auth_metadata':
        return send(200, {
          issuer: `${this.url}/`,
          token_endpoint: `${this.url}/oauth2/token`,
          registration_endpoint: `${this.url}/oauth2/registration`,
          device_authorization_endpoint: `${this.url}/oauth2/device`,
          grant_types_supported: ['refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        })
      case '/_matrix/client/v3/login':
        return send(200, { flows: [{ type: 'm.login.sso' }, { type: 'm.login.token' }] })
      case '/oauth2/registration':
        return this.#register(JSON.parse(await text(request)), send)
      case '/oauth2/device':
        return this.#begin(new URLSearchParams(await text(request)), send)
      case '/oauth2/token':
        return this.#token(new URLSearchParams(await text(request)), send, response)
      default:
        return this.#pass(request, response, send)
    }
  }

  #register(wanted: Record<string, unknown>, send: (status: number, body: unknown) => void): void {
    const grants = wanted['grant_types']
    const valid =
      Array.isArray(grants) &&
      grants.includes('refresh_token') &&
      grants.includes('urn:ietf:params:oauth:grant-type:device_code') &&
      wanted['token_endpoint_auth_method'] === 'none' &&
      wanted['application_type'] === 'native' &&
      String(wanted['client_uri']).startsWith('https://')
    if (!valid) return send(400, { error: 'invalid_client_metadata' })
    const id = randomBytes(6).toString('hex')
    this.#clients.add(id)
    send(201, { ...wanted, client_id: id })
  }

  #begin(fields: URLSearchParams, send: (status: number, body: unknown) => void): void {
    const client = fields.get('client_id') ?? ''
    if (!this.#clients.has(client)) return send(401, { error: 'invalid_client' })
    const scopes = (fields.get('scope') ?? '').split(' ')
    const device = /^urn:matrix:client:device:([A-Za-z0-9._~-]{10,})$/.exec(scopes[1] ?? '')?.[1]
    if (scopes[0] !== 'urn:matrix:client:api:*' || device === undefined)
      return send(400, { error: 'invalid_scope' })
    const [code, user] = [randomBytes(12).toString('hex'), randomBytes(3).toString('hex').toUpperCase()]
    this.#asked.set(code, { client, device, user: '', state: 'pending', polledAt: 0 })
    this.#codes.set(user, code)
    send(200, {
      device_code: code,
      user_code: user,
      verification_uri: `${this.url}/link`,
      verification_uri_complete: `${this.url}/link?code=${user}`,
      expires_in: 600,
      interval: intervalMs / 1000,
    })
  }

  async #token(
    fields: URLSearchParams,
    send: (status: number, body: unknown) => void,
    response: ServerResponse,
  ): Promise<void> {
    const client = fields.get('client_id') ?? ''
    if (!this.#clients.has(client)) return send(401, { error: 'invalid_client' })
    if (fields.get('grant_type') === 'refresh_token') return this.#renew(fields, client, send, response)
    const asked = this.#asked.get(fields.get('device_code') ?? '')
    if (asked === undefined || asked.client !== client) return send(400, { error: 'invalid_grant' })
    const early = Date.now() - asked.polledAt < intervalMs * 0.8
    asked.polledAt = Date.now()
    if (early) return send(400, { error: 'slow_down' })
    if (asked.state === 'pending') return send(400, { error: 'authorization_pending' })
    if (asked.state === 'denied') return send(400, { error: 'access_denied' })
    if (asked.state === 'expired') return send(400, { error: 'expired_token' })
    this.#asked.delete(fields.get('device_code') ?? '')
    const { accessToken: token } = await this.#synapse.login(asked.user, 'correct horse', asked.device)
    send(200, this.#grant({ client, token }))
  }

  #renew(
    fields: URLSearchParams,
    client: string,
    send: (status: number, body: unknown) => void,
    response: ServerResponse,
  ): void {
    this.refreshed += 1
    const old = fields.get('refresh_token') ?? ''
    const grant = this.#refresh.get(old)
    if (grant === undefined || grant.client !== client) return send(400, { error: 'invalid_grant' })
    const granted = this.#grant(grant)
    // The old one stays good until a token of the new pair was used: the answer may have been lost.
    if (!this.loseNextRenewal) return send(200, granted)
    this.loseNextRenewal = false
    response.destroy()
  }

  #grant(grant: Grant): Record<string, unknown> {
    const [access, refresh] = [
      `mat_${randomBytes(9).toString('hex')}`,
      `mar_${randomBytes(9).toString('hex')}`,
    ]
    this.#access.set(access, grant)
    this.#refresh.set(refresh, grant)
    return { token_type: 'Bearer', access_token: access, refresh_token: refresh, expires_in: 300 }
  }

  async #pass(
    request: IncomingMessage,
    response: ServerResponse,
    send: (status: number, body: unknown) => void,
  ): Promise<void> {
    const bearer = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1]
    const grant = bearer === undefined ? undefined : this.#access.get(bearer)
    if (bearer !== undefined && grant === undefined) {
      return send(401, { errcode: 'M_UNKNOWN_TOKEN', error: 'Token is not active', soft_logout: true })
    }
    const body = await text(request)
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const answer = await fetch(this.#synapse.url + (request.url ?? ''), {
      method: request.method ?? 'GET',
      headers: grant === undefined ? {} : { authorization: `Bearer ${grant.token}` },
      ...(body === '' ? {} : { body }),
      signal: gone.signal,
    })
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(await answer.text())
  }
}
