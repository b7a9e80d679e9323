import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What was asked for, with parameters as JSON. */
export interface Asked {
  readonly method: string
  readonly parameters: Readonly<Record<string, unknown>>
}

export interface Told {
  readonly status: number
  readonly body: {
    readonly ok: boolean
    readonly result?: unknown
    readonly error_code?: number
    readonly description?: string
    readonly parameters?: unknown
  }
}

/** Passes a call on to the network, as often and as it likes, and gives the answer. Throws where none comes. */
export type Meddling = (asked: Asked, pass: (asked: Asked) => Promise<Told>) => Promise<Told>

/** Stands between a bot and the network, and makes another bot of it: one that makes other calls, or hears other things. */
export class Meddler {
  readonly #server: Server
  readonly root: string

  static async start(network: string, meddling: Meddling): Promise<Meddler> {
    const server = createServer((request, response) => {
      meddle(request, response, network, meddling).catch(() => response.destroy())
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
    await promise
    return new Meddler(server, portOf(server.address()))
  }

  private constructor(server: Server, port: number) {
    this.#server = server
    this.root = `http://127.0.0.1:${port}`
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('it does not listen on a port')
  return address.port
}

async function meddle(
  request: IncomingMessage,
  response: ServerResponse,
  network: string,
  meddling: Meddling,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const [, bot = '', method = ''] = /^\/(bot[^/]+)\/(\w+)$/.exec(request.url ?? '') ?? []
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  const pass = async (asked: Asked): Promise<Told> => {
    const answer = await fetch(`${network}/${bot}/${asked.method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked.parameters),
      signal: gone.signal,
    })
    return { status: answer.status, body: JSON.parse(await answer.text()) }
  }
  const parameters = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString())
  const { status, body } = await meddling({ method, parameters }, pass)
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
