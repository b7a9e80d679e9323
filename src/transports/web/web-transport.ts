import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer, type ServerType } from '@hono/node-server'
import type { Policy } from '../../core/authorise.ts'
import type { TransportDeps } from '../../core/define.ts'
import type { MessageRef, Place } from '../../core/message.ts'
import {
  DeliveryError,
  FatalError,
  type Intake,
  type Operation,
  type Transport,
} from '../../core/transport.ts'
import { Audience } from './audience.ts'
import { ChatLog } from './chat-log.ts'
import type { WebConfig } from './index.ts'
import { render } from './render.ts'
import { createServer } from './server.ts'

const owner = 'owner'

/** A chat network of one page on this machine. */
export class WebTransport implements Transport {
  readonly policy: Policy = {
    users: new Set([owner]),
    rooms: 'everywhere',
    privateChats: 'open',
    mentionOnly: false,
  }
  readonly commandPrefixes = ['/']
  readonly choices = 'buttons'
  readonly dropsDoubles = true
  readonly render = render
  readonly #config: WebConfig
  readonly #deps: TransportDeps
  readonly #log: ChatLog
  readonly #audience = new Audience()

  constructor(config: WebConfig, deps: TransportDeps) {
    this.#config = config
    this.#deps = deps
    this.#log = new ChatLog(deps.memory)
  }

  async listen(intake: Intake, signal: AbortSignal): Promise<void> {
    const token = this.#token()
    const hosts = new Set<string>()
    const app = createServer({
      token,
      log: this.#log,
      audience: this.#audience,
      hosts: () => hosts,
      signal,
      say: (message) => this.#say(intake, message),
      press: async ({ id, conversation, token: pressed }) => {
        this.#deps.heard()
        await intake.take([{ ...from(id, conversation), kind: 'press', pressed: { token: pressed } }])
      },
    })
    const server = createAdaptorServer({ fetch: app.fetch })
    const port = await this.#bind(server)
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) hosts.add(`${host}:${port}`)
    const shown = this.#config.host === '::1' ? '[::1]' : this.#config.host
    this.#deps.report({ state: 'connected', account: `http://${shown}:${port}/#token=${token}` })
    try {
      await aborted(signal)
    } finally {
      this.#audience.dismiss()
      await close(server)
    }
  }

  async deliver(operation: Operation): Promise<MessageRef> {
    switch (operation.type) {
      case 'post': {
        const { message, fresh } = this.#log.post(
          operation.key,
          operation.place.chat,
          operation.content,
          Date.now(),
        )
        if (fresh) this.#audience.tell({ event: 'message', data: message })
        return message.ref
      }
      case 'edit': {
        const message = this.#log.change(operation.ref, operation.content, Date.now())
        if (message === undefined) throw new DeliveryError('gone', 'there is no such message')
        this.#audience.tell({ event: 'message', data: message })
        return operation.ref
      }
      case 'delete': {
        const gone = this.#log.remove(operation.ref)
        if (gone !== undefined) {
          this.#audience.tell({ event: 'removed', data: { ref: gone.ref, conversation: gone.conversation } })
        }
        return operation.ref
      }
    }
  }

  progressPaceMs(): number {
    return 50
  }

  async typing({ chat }: Place, on: boolean): Promise<void> {
    this.#audience.tell({ event: 'typing', data: { conversation: chat, on } })
  }

  async #say(
    intake: Intake,
    { id, conversation, text }: { id: string; conversation: string; text: string },
  ): Promise<void> {
    // One bar of signal: the answer to the first try may have been lost.
    if (this.#log.wasSaid(id)) return
    this.#deps.heard()
    const { message, entries } = this.#log.said(id, conversation, text, Date.now())
    await intake.take([{ ...from(id, conversation), kind: 'message', messageId: id, text }], entries)
    this.#audience.tell({ event: 'message', data: message })
    this.#audience.tell({ event: 'conversations', data: this.#log.conversations() })
  }

  /** The same at each start, so that an address that was kept goes on working. */
  #token(): string {
    const known = this.#deps.memory.recall('token')
    if (known !== undefined) return known
    const token = randomBytes(32).toString('base64url')
    this.#deps.memory.remember({ token })
    return token
  }

  async #bind(server: ServerType): Promise<number> {
    const { host, port } = this.#config
    if (port !== 0) return bind(server, host, port).catch((error: unknown) => refuse(port, error))
    // The port of the last run, so that an address that was kept goes on working; any other where it is taken.
    const kept = Number(this.#deps.memory.recall('port') ?? 0)
    const bound = await bind(server, host, kept).catch(() => bind(server, host, 0))
    if (bound !== kept) this.#deps.memory.remember({ port: String(bound) })
    return bound
  }
}

function refuse(port: number, cause: unknown): never {
  throw new FatalError(`Port ${port} cannot be used; choose another as web.port, or 0.`, { cause })
}

function from(id: string, conversation: string) {
  const place: Place = { key: `web:${conversation}`, transport: 'web', chat: conversation }
  return { id, place, sender: { id: owner }, sentAt: Date.now(), group: false, addressed: true }
}

function bind(server: ServerType, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.removeListener('error', reject)
      const address: AddressInfo | string | null = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function close(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
