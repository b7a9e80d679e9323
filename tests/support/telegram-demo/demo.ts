import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import type { Writing } from '../../../src/transports/telegram/telegram-people.fake.ts'
import { FakeTelegram } from '../../../src/transports/telegram/telegram.fake.ts'
import { Home, type Running } from '../ductor.ts'
import { chatHtml } from './chat-html.ts'

const owner = 4711
const page = new URL('page.html', import.meta.url)

interface Spot {
  readonly name: string
  readonly chat: number
  readonly thread?: number
  readonly writing: Writing
}

/** Telegram without Telegram: the fake network, ductor with the demo agent on it, and a page to chat on. */
export class TelegramDemo implements AsyncDisposable {
  readonly telegram: FakeTelegram
  readonly home: Home
  readonly running: Running
  readonly #server: Server
  readonly #spots: readonly Spot[]

  static async start(config: object = {}): Promise<TelegramDemo> {
    const telegram = await FakeTelegram.start()
    const forum = telegram.group(-1_001_234, { title: 'Team', forum: true })
    const topics = ['Deploy', 'Ideas'].map((name) => ({ name, id: forum.topic(name) }))
    const spots: readonly Spot[] = [
      { name: 'Private chat', chat: owner, writing: {} },
      { name: 'Team', chat: forum.id, writing: { in: forum } },
      ...topics.map(({ name, id }) => ({
        name: `Team, ${name}`,
        chat: forum.id,
        thread: id,
        writing: { in: forum, topic: id },
      })),
    ]
    telegram.person(owner, { name: 'You' }).starts()
    const home = new Home({
      telegram_token: telegram.token,
      telegram_api_root: telegram.apiRoot,
      allowed_user_ids: [owner],
      allowed_group_ids: [forum.id],
      provider: 'demo',
      ...config,
    })
    const demo = new TelegramDemo(telegram, home, spots)
    demo.#server.listen(0, '127.0.0.1')
    await once(demo.#server, 'listening')
    await demo.running.ready()
    return demo
  }

  private constructor(telegram: FakeTelegram, home: Home, spots: readonly Spot[]) {
    this.telegram = telegram
    this.home = home
    this.#spots = spots
    this.running = home.start()
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        ({ type, body }) => response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body),
        (error: unknown) => response.writeHead(400).end(String(error)),
      )
    })
  }

  get address(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await this.home[Symbol.asyncDispose]()
    await this.telegram.stop()
  }

  async #answer(request: IncomingMessage): Promise<{ type: string; body: string }> {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    const spot = this.#spots.find(({ name }) => name === url.searchParams.get('place')) ?? this.#spots[0]
    if (spot === undefined) throw new Error('there is no such chat')
    if (url.pathname === '/') return { type: 'text/html', body: await readFile(page, 'utf8') }
    if (url.pathname === '/places') {
      return { type: 'application/json', body: JSON.stringify(this.#spots.map(({ name }) => name)) }
    }
    if (url.pathname === '/chat') {
      return { type: 'text/html', body: chatHtml(this.telegram, spot.chat, spot.thread) }
    }
    this.#act(url.pathname, spot, await buffer(request), String(request.headers['x-name'] ?? 'file'))
    return { type: 'text/plain', body: 'ok' }
  }

  #act(path: string, { thread, writing }: Spot, body: Buffer, name: string): void {
    const person = this.telegram.person(owner)
    const bytes = new Uint8Array(body)
    if (path === '/say') {
      person.writes(z.object({ text: z.string() }).parse(JSON.parse(body.toString())).text, writing)
    } else if (path === '/press') {
      const { message, label } = z
        .object({ message: z.string(), label: z.string() })
        .parse(JSON.parse(body.toString()))
      person.presses(Number(message), label, writing)
    } else if (path === '/stop') person.stops(thread)
    else if (path === '/file') person.sends('document', { name: decodeURIComponent(name), bytes }, writing)
    else throw new Error(`there is no ${path}`)
  }
}
