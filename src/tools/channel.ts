import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Log } from '../core/define.ts'
import type { Place } from '../core/message.ts'
import type { ToolServer } from '../core/provider.ts'
import { UserError } from '../core/user-error.ts'
import { call, channelVariables, type Outcome, type ToolCall } from './definitions.ts'

/** Which agent calls, from which conversation. */
export interface Caller {
  readonly agent: string
  readonly place: Place
  readonly strand: string
}

export interface ToolChannelDeps {
  readonly log: Log
  /** Does it; resolves with what to tell the agent. Throws `UserError` with the sentence for it. */
  readonly answer: (caller: Caller, call: ToolCall, signal: AbortSignal) => Promise<string>
}

interface Registered {
  readonly token: string
  readonly caller: Caller
  /** MCP for this caller, once it was asked for. */
  mcp?: Promise<(request: IncomingMessage, response: ServerResponse) => Promise<void>>
}

const largestCall = 1_000_000
const mostTokens = 5000
const mcpPath = '/mcp'

/**
 * Where the tools that ductor gives to its agents report: HTTP on loopback. Who calls is known by the token that the
 * conversation's own tool program was given, and by nothing that is said.
 */
export class ToolChannel {
  readonly #deps: ToolChannelDeps
  readonly #server: Server
  readonly #callers = new Map<string, Registered>()
  readonly #closing = new AbortController()

  private constructor(deps: ToolChannelDeps) {
    this.#deps = deps
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        deps.log.warn({ err: error }, 'a tool call could not be answered')
        response.destroy()
      })
    })
  }

  /** Listens on a port of its own. */
  static async open(deps: ToolChannelDeps): Promise<ToolChannel> {
    const channel = new ToolChannel(deps)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    channel.#server.once('error', reject)
    channel.#server.listen(0, '127.0.0.1', resolve)
    await promise
    channel.#server.unref()
    return channel
  }

  /** What offers the tools to the CLI of one conversation; the same for each of its turns. */
  serverFor(caller: Caller): ToolServer {
    const key = `${caller.agent}\n${caller.place.key}\n${caller.strand}`
    const known = this.#callers.get(key)
    const registered = known ?? { caller, token: randomBytes(32).toString('base64url') }
    const { token } = registered
    // The last used is the last in the map: the first to be forgotten is the one that was quiet for longest.
    this.#callers.delete(key)
    this.#callers.set(key, registered)
    const [oldest] = this.#callers.keys()
    if (this.#callers.size > mostTokens && oldest !== undefined) this.#callers.delete(oldest)
    // Beside this file, with its own ending: .ts in a checkout, .js in the package.
    const program = fileURLToPath(new URL(`./mcp-program${extname(import.meta.url)}`, import.meta.url))
    return {
      name: 'ductor',
      url: `${this.#url}${mcpPath}`,
      token,
      program: {
        command: [process.execPath, program],
        env: { [channelVariables.url]: this.#url, [channelVariables.token]: token },
      },
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  get #url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const registered = this.#find(request.headers.authorization ?? '')
    if (registered === undefined) return reply(response, 401, { text: 'not allowed', failed: true })
    if (request.url === mcpPath) return this.#speakMcp(registered, request, response)
    const body = await read(request)
    if (body === undefined) return reply(response, 413, { text: 'too large', failed: true })
    const parsed = call.safeParse(parse(body))
    if (!parsed.success) return reply(response, 400, { text: 'That is no call of a tool.', failed: true })
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    reply(response, 200, await this.#do(registered.caller, parsed.data, gone.signal))
  }

  /** `gone`: whoever has called hears no answer any more. */
  async #do(caller: Caller, what: ToolCall, gone: AbortSignal): Promise<Outcome> {
    const signal = AbortSignal.any([this.#closing.signal, gone])
    try {
      return { text: await this.#deps.answer(caller, what, signal), failed: false }
    } catch (error) {
      if (error instanceof UserError) return { text: error.message, failed: true }
      this.#deps.log.error({ err: error, place: caller.place.key, tool: what.tool }, 'a tool failed')
      return { text: 'ductor itself failed at this; its log says more.', failed: true }
    }
  }

  async #speakMcp(registered: Registered, request: IncomingMessage, response: ServerResponse): Promise<void> {
    registered.mcp ??= this.#mcpFor(registered.caller).catch((error: unknown) => {
      // What could not be loaded now may be there for the next call.
      delete registered.mcp
      throw error
    })
    const answer = await registered.mcp
    await answer(request, response)
  }

  /** Loaded when the first CLI asks for it: the start does not pay for it. */
  async #mcpFor(caller: Caller): Promise<NonNullable<Awaited<Registered['mcp']>>> {
    const { getRequestListener } = await import('@hono/node-server')
    const { createMcpHandler } = await import('@modelcontextprotocol/server')
    const { mcpServer } = await import('./mcp-server.ts')
    return getRequestListener((request) => {
      const server = () => mcpServer((asked) => this.#do(caller, asked, request.signal))
      return createMcpHandler(server).fetch(request)
    })
  }

  #find(authorization: string): Registered | undefined {
    for (const registered of this.#callers.values())
      if (equal(authorization, `Bearer ${registered.token}`)) return registered
    return undefined
  }
}

/** Undefined: it is too large. What is too much is not kept, but heard: who still sends would not hear the answer. */
async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size <= largestCall) chunks.push(chunk)
  }
  return size > largestCall ? undefined : Buffer.concat(chunks)
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    // Not even JSON: the schema says so.
    return undefined
  }
}

function reply(response: ServerResponse, status: number, body: Outcome): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}

function equal(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text).digest())
  return left !== undefined && right !== undefined && timingSafeEqual(left, right)
}
