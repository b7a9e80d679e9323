import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Upload } from './telegram-files.fake.ts'
import { Refusal } from './telegram-refusal.fake.ts'

/** How a call goes wrong on its way. */
export type Fault =
  /** The connection ends before anything is done. */
  | { readonly how: 'dropped' }
  /** It is done, and the connection ends before the answer. */
  | { readonly how: 'answer-lost' }
  /** It is done, and no answer comes. */
  | { readonly how: 'answer-kept' }
  /** It is done, and the answer ends in its middle. */
  | { readonly how: 'half-answer' }
  /** It is done, and an answer of something else comes. */
  | { readonly how: 'garbled' }
  /** Nothing is done: the server has trouble of its own, and says so. */
  | { readonly how: 'server-error' }
  /** Nothing is done: the page of a proxy comes, in HTML. */
  | { readonly how: 'bad-gateway' }
  /** Nothing is done, and the chat must rest. */
  | { readonly how: 'flood'; readonly seconds: number }
  /** Nothing is done, and no answer comes. */
  | { readonly how: 'hangs' }
  /** All is done, later. */
  | { readonly how: 'slow'; readonly ms: number }
  /** A poll brings nothing, whatever waits, as long as it comes over a connection that is kept. */
  | { readonly how: 'deaf'; readonly always?: boolean }

export interface WireCall {
  readonly token: string
  readonly method: string
  readonly parameters: Readonly<Record<string, unknown>>
  /** The client means to use the connection again. */
  readonly keepsConnection: boolean
}

export interface Wire {
  /** The bytes behind a link that `getFile` gave; throws `Refusal` where there are none. */
  file(token: string, path: string): Uint8Array
  /** Bytes that a request may have. */
  readonly mostBytes: number
  /** Does the call; throws `Refusal` where the answer is a no. */
  answer(call: WireCall, gone: AbortSignal): Promise<unknown>
  /** What shall go wrong with this call. */
  fault(call: WireCall): Fault | undefined
}

/** The HTTP side of the Bot API: shapes of paths, parameters and answers, and faults on the way. */
export class HttpSide {
  readonly #wire: Wire
  #server: Server | undefined
  #port = 0

  constructor(wire: Wire) {
    this.#wire = wire
  }

  get port(): number {
    return this.#port
  }

  get isUp(): boolean {
    return this.#server !== undefined
  }

  /** Listens on loopback: on a free port at first, later on the same one again. */
  async up(): Promise<void> {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen(this.#port, '127.0.0.1', resolve)
    await promise
    const address = server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
    this.#server = server
  }

  /** Ends all connections, and refuses new ones. */
  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    server.closeAllConnections()
    await promise
    await refusal(this.#port)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const client = new AbortController()
    response.once('close', () => client.abort())
    const url = new URL(request.url ?? '', 'http://127.0.0.1')
    const [, fileToken, path] = /^\/file\/bot(\d+:[\w-]+)\/(.+)$/.exec(url.pathname) ?? []
    if (fileToken !== undefined && path !== undefined) {
      return this.#serveFile(fileToken, decodeURIComponent(path), response)
    }
    if (Number(request.headers['content-length'] ?? 0) > this.#wire.mostBytes) {
      request.resume()
      return send(response, 413, refused(tooLarge()))
    }
    const bytes = await readBytes(request, this.#wire.mostBytes)
    if (bytes === undefined) return send(response, 413, refused(tooLarge()))
    const call = await readCall(request, url, bytes)
    if (call instanceof Refusal) return send(response, call.code, refused(call))
    if (call === undefined) return send(response, 404, refused(new Refusal(404, 'Not Found')))
    const fault = this.#wire.fault(call)
    if (fault?.how === 'deaf' && (call.keepsConnection || fault.always === true))
      return send(response, 200, { ok: true, result: [] })
    if (fault?.how === 'slow') await sleep(fault.ms)
    else if (fault !== undefined && (await beforehand(fault, response))) return
    const { status, body } = await this.#carryOut(call, client.signal)
    if (client.signal.aborted) return
    if (fault?.how === 'answer-kept') return
    if (fault?.how === 'answer-lost') response.destroy()
    else if (fault?.how === 'half-answer') sendHalf(response, body)
    else if (fault?.how === 'garbled') send(response, 200, { ok: true, result: { nonsense: true } })
    else send(response, status, body)
  }

  /** A link is a call like any other to faults: that of the method `file`. */
  async #serveFile(token: string, path: string, response: ServerResponse): Promise<void> {
    const call = { token, method: 'file', parameters: { path }, keepsConnection: true }
    const fault = this.#wire.fault(call)
    if (fault?.how === 'slow') await sleep(fault.ms)
    else if (fault !== undefined && (await beforehand(fault, response))) return
    try {
      const bytes = this.#wire.file(token, path)
      response.writeHead(200, { 'content-length': bytes.length })
      if (fault?.how !== 'half-answer') return void response.end(bytes)
      response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy())
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      send(response, error.code, refused(error))
    }
  }

  async #carryOut(call: WireCall, gone: AbortSignal): Promise<{ status: number; body: object }> {
    try {
      return { status: 200, body: { ok: true, result: await this.#wire.answer(call, gone) } }
    } catch (error) {
      if (error instanceof Refusal) return { status: error.code, body: refused(error) }
      throw error
    }
  }
}

/** Resolves when a connection was refused: by then the ends of the old ones have come to their clients too. */
async function refusal(port: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const socket = connect({ port, host: '127.0.0.1' })
  socket.once('error', () => resolve())
  socket.once('connect', () => resolve())
  await promise
  socket.destroy()
  await nextTurn()
}

/** Faults that come before anything is done. True: the call has met its end. */
async function beforehand(fault: Fault, response: ServerResponse): Promise<boolean> {
  switch (fault.how) {
    case 'dropped':
      response.destroy()
      return true
    case 'hangs':
      return true
    case 'server-error':
      send(response, 500, { ok: false, error_code: 500, description: 'Internal Server Error' })
      return true
    case 'bad-gateway':
      response.writeHead(502, { 'content-type': 'text/html' })
      response.end('<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>')
      return true
    case 'flood': {
      const { seconds } = fault
      const no = new Refusal(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds })
      send(response, 429, refused(no))
      return true
    }
    case 'answer-lost':
    case 'answer-kept':
    case 'half-answer':
    case 'garbled':
    case 'slow':
    case 'deaf':
      return false
  }
}

function refused({ code, message, parameters }: Refusal): object {
  return {
    ok: false,
    error_code: code,
    description: message,
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  const retryAfter = 'parameters' in body ? Object(body.parameters).retry_after : undefined
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  })
  response.end(JSON.stringify(body))
}

function sendHalf(response: ServerResponse, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.write(text.slice(0, text.length / 2), () => response.destroy())
}

function tooLarge(): Refusal {
  return new Refusal(413, 'Request Entity Too Large')
}

/** Undefined: there are more than that, whatever was announced. */
async function readBytes(request: IncomingMessage, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let count = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    count += bytes.length
    // The rest is read all the same, so that the client hears why.
    if (count <= most) chunks.push(bytes)
  }
  return count > most ? undefined : Buffer.concat(chunks)
}

/** `/bot<token>/<method>`, with parameters in the address, as a form or as JSON. */
async function readCall(
  request: IncomingMessage,
  url: URL,
  bytes: Buffer,
): Promise<WireCall | Refusal | undefined> {
  const [, token, method] = /^\/bot(\d+:[\w-]+)\/(\w+)$/.exec(url.pathname) ?? []
  if (token === undefined || method === undefined) return undefined
  const body = await readBody(bytes, request.headers['content-type'] ?? '').catch(() => undefined)
  if (body === undefined) return new Refusal(400, "Bad Request: can't parse the body of the request")
  return {
    token,
    method,
    parameters: { ...Object.fromEntries(url.searchParams), ...body },
    keepsConnection: request.headers.connection !== 'close',
  }
}

async function readBody(body: Buffer, type: string): Promise<Record<string, unknown>> {
  if (body.length === 0) return {}
  if (type.startsWith('application/json')) return Object(JSON.parse(body.toString()))
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()
  const fields: Record<string, unknown> = {}
  for (const [key, value] of form) {
    fields[key] =
      typeof value === 'string' ? value : new Upload(value.name, new Uint8Array(await value.arrayBuffer()))
  }
  return fields
}
