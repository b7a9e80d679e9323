import { createServer } from 'node:http'
import { UserError } from '../../core/user-error.ts'

export interface BrowserLogIn {
  /** Where the person logs in. */
  readonly address: Promise<string>
  /** The short-lived token that the browser brings back. */
  token(signal: AbortSignal): Promise<string>
  close(): void
}

/** Listens on loopback for the browser that comes back from the homeserver's own log-in page. */
export function listenForBrowser(base: string): BrowserLogIn {
  const { promise: address, resolve: opened, reject: failed } = Promise.withResolvers<string>()
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<string>()
  const server = createServer((request, response) => {
    const token = URL.parse(request.url ?? '', 'http://127.0.0.1')?.searchParams.get('loginToken') ?? null
    response.writeHead(token === null ? 404 : 200, { 'content-type': 'text/plain; charset=utf-8' })
    response.end(token === null ? 'Nothing is here.\n' : 'ductor has it. You can close this page.\n')
    if (token !== null) arrive(token)
  })
  server.once('error', failed)
  server.listen(0, '127.0.0.1', () => {
    const bound = server.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0
    const url = new URL(`${base}/_matrix/client/v3/login/sso/redirect`)
    url.searchParams.set('redirectUrl', `http://127.0.0.1:${port}/`)
    opened(url.href)
  })
  return {
    address,
    token: (signal) =>
      Promise.race([
        arrived,
        new Promise<never>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        }),
      ]),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Of an address that the browser ended at, or the token itself. */
export function tokenIn(words: string): string {
  const trimmed = words.trim()
  const token = trimmed.includes('://') ? URL.parse(trimmed)?.searchParams.get('loginToken') : trimmed
  if (token === undefined || token === null || token === '') {
    throw new UserError('There is no loginToken in this address. Log in in the browser first.')
  }
  return token
}
