import type { Log } from '../../core/define.ts'
import { MatrixClient, MatrixError, NoAnswer } from './client.ts'
import { isLoopback } from './config.ts'
import * as wire from './wire.ts'

/**
 * Finds the base URL of the client API: the configured one where that answers, otherwise the one that its
 * `.well-known/matrix/client` names. Throws `NoAnswer` when neither answers (the server may come back).
 */
export async function findHomeserver(configured: string, log: Log, signal: AbortSignal): Promise<string> {
  const direct = await whyNot(configured, signal)
  if (direct === undefined) {
    log.info({ homeserver: configured }, 'Matrix homeserver found')
    return configured
  }
  const delegated = await wellKnownOf(configured, signal)
  if (delegated === undefined) throw direct
  const indirect = await whyNot(delegated, signal)
  if (indirect !== undefined) throw indirect
  log.info({ configured, homeserver: delegated }, 'Matrix homeserver found by its .well-known/matrix/client')
  return delegated
}

/** Undefined where a homeserver answers. */
async function whyNot(base: string, signal: AbortSignal): Promise<NoAnswer | undefined> {
  try {
    const call = { method: 'GET', path: '/_matrix/client/versions', timeoutMs: 15_000 } as const
    await new MatrixClient(base).call(call, wire.versions, signal)
    return undefined
  } catch (error) {
    if (error instanceof NoAnswer) return error
    // It speaks Matrix enough to refuse.
    if (error instanceof MatrixError && error.rateLimited) return undefined
    if (error instanceof MatrixError) {
      return new NoAnswer(`${base} is not the client API of a homeserver (${error.message})`, {
        cause: error,
      })
    }
    throw error
  }
}

async function wellKnownOf(configured: string, signal: AbortSignal): Promise<string | undefined> {
  const { origin, hostname } = new URL(configured)
  try {
    const call = { method: 'GET', path: '/.well-known/matrix/client', timeoutMs: 15_000 } as const
    const answer = await new MatrixClient(origin).call(call, wire.wellKnown, signal)
    const url = URL.parse(answer['m.homeserver'].base_url)
    if (url === null) return undefined
    // A server on the network must not send the password over http://, nor to this machine's own ports.
    const loopback = isLoopback(hostname)
    if (url.protocol === 'https:' || (loopback && url.protocol === 'http:' && isLoopback(url.hostname))) {
      return url.href.replace(/\/+$/, '')
    }
    return undefined
  } catch (error) {
    if (error instanceof NoAnswer || error instanceof MatrixError) return undefined
    throw error
  }
}
