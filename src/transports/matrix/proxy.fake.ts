import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

export type Mishap = 'rate-limited' | 'refused-connection' | 'lost-answer' | 'forbidden'

/** Stands before a real homeserver and lets a single message of the bot meet a mishap of the network. */
export class MishapProxy {
  readonly #server = createServer((request, response) => {
    this.#pass(request, response).catch(() => response.destroy())
  })
  readonly #target: string
  #next: { readonly how: Mishap; readonly where: string }[] = []
  /** What becomes of `/sync`: it brings nothing, or never ends. */
  deaf: 'empty' | 'stuck' | undefined
  /** How often the homeserver said that it was too much. */
  refusals = 0
  /** The place in the stream at which every sync fails, as a homeserver's own fault. */
  brokenAt: string | undefined
  /** What a call that came too soon is told. */
  retryAfterMs = 4321
  /** How many syncs were never answered. */
  stuck = 0
  /** How many brought nothing, because they were to. */
  emptied = 0

  private constructor(target: string) {
    this.#target = target
  }

  static async before(target: string): Promise<MishapProxy> {
    const proxy = new MishapProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen')
    return `http://127.0.0.1:${address.port}`
  }

  /** `where`: a part of the call's path. */
  failNext(how: Mishap, where = '/send/m.room.message/'): void {
    this.failEach(how, [where])
  }

  /** The next call to each of these. */
  failEach(how: Mishap, wheres: readonly string[]): void {
    this.#next = wheres.map((where) => ({ how, where }))
  }

  /** Where the mishap was not met yet. */
  get pending(): readonly string[] {
    return this.#next.map(({ where }) => where)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const mishap = this.#mishapFor(request)
    const body = await buffer(request)
    if (this.deaf !== undefined && request.url?.includes('/v3/sync?') === true) {
      return this.#bringNothing(request, response)
    }
    if (this.brokenAt !== undefined && request.url?.includes(`since=${this.brokenAt}`) === true) {
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ errcode: 'M_UNKNOWN', error: 'Internal server error' }))
      return
    }
    if (mishap === 'refused-connection') return void request.socket.destroy()
    if (mishap === 'rate-limited') {
      response.writeHead(429, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ errcode: 'M_LIMIT_EXCEEDED', error: 'Too fast', retry_after_ms: this.retryAfterMs }),
      )
      return
    }
    if (mishap === 'forbidden') {
      response.writeHead(403, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ errcode: 'M_FORBIDDEN', error: 'You may not say that' }))
      return
    }
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const { authorization } = request.headers
    const answer = await fetch(this.#target + (request.url ?? ''), {
      method: request.method ?? 'GET',
      headers: authorization === undefined ? {} : { authorization },
      ...(body.length === 0 ? {} : { body }),
      signal: gone.signal,
    })
    const text = await answer.text()
    if (answer.status === 429) this.refusals += 1
    if (mishap === 'lost-answer') return void request.socket.destroy()
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(text)
  }

  /** As a homeserver does whose streams have come to a halt; what it held back comes when it goes on. */
  async #bringNothing({ url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.deaf === 'stuck') {
      this.stuck += 1
      return
    }
    await sleep(50)
    this.emptied += 1
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ next_batch: new URL(url, this.#target).searchParams.get('since') ?? '' }))
  }

  #mishapFor({ method, url = '' }: IncomingMessage): Mishap | undefined {
    const mishap = method === 'GET' ? undefined : this.#next.find(({ where }) => url.includes(where))
    this.#next = this.#next.filter((one) => one !== mishap)
    return mishap?.how
  }
}
