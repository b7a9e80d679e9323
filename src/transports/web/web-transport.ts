import { randomBytes } from 'node:crypto'
import { createAdaptorServer, type ServerType } from '@hono/node-server'
import { z } from 'zod'
import type { Policy } from '../../core/authorise.ts'
import type { TransportDeps } from '../../core/define.ts'
import type { Attachment, AttachmentKind, MessageRef, Place, Press } from '../../core/message.ts'
import {
  DeliveryError,
  FatalError,
  type Content,
  type Intake,
  type Operation,
  type Post,
  type Transport,
} from '../../core/transport.ts'
import { Audience } from './audience.ts'
import { ChatLog } from './chat-log.ts'
import type { WebConfig } from './index.ts'
import { KeptFiles } from './kept-files.ts'
import { aborted, bind, close } from './listening.ts'
import { render } from './render.ts'
import { createServer, type Pressing, type Saying } from './server.ts'

const owner = 'owner'
const ownerChat = 'ductor'
const fileContent = z.object({
  kind: z.literal('file'),
  path: z.string(),
  name: z.string(),
  mimeType: z.string(),
})

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
  readonly #chat: ChatLog
  readonly #files: KeptFiles
  readonly #audience = new Audience()
  /** Messages that are not stored yet, by their ids. */
  readonly #taking = new Map<string, Promise<void>>()

  constructor(config: WebConfig, deps: TransportDeps) {
    this.#config = config
    this.#deps = deps
    this.#chat = new ChatLog(deps.memory)
    this.#files = new KeptFiles(deps.home, deps.memory, Math.floor(config.max_file_mb * 1024 * 1024))
  }

  async listen(intake: Intake, signal: AbortSignal): Promise<void> {
    const token = this.#token()
    const hosts = new Set<string>()
    const app = createServer({
      token,
      chat: this.#chat,
      files: this.#files,
      audience: this.#audience,
      log: this.#deps.log,
      hosts: () => hosts,
      welcome: { maxFileBytes: this.#files.maxBytes, commands: this.#deps.commands ?? [] },
      signal,
      say: (message) => this.#say(intake, message),
      press: (press) => this.#press(intake, press),
      rename: (conversation, title) => this.#rename(conversation, title),
      forget: (conversation) => this.#forget(conversation),
    })
    const server = createAdaptorServer({ fetch: app.fetch })
    const port = await this.#bind(server)
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) hosts.add(`${host}:${port}`)
    const shown = this.#config.host === '::1' ? '[::1]' : this.#config.host
    this.#deps.report({ state: 'connected', account: `http://${shown}:${port}/#token=${token}` })
    try {
      await this.#files.sweep(Date.now())
      await aborted(signal)
    } finally {
      this.#audience.dismiss()
      await close(server)
    }
  }

  /** The network is our own store: what it cannot do now, it can do later. */
  async deliver(operation: Operation): Promise<MessageRef> {
    try {
      return await this.#carryOut(operation)
    } catch (error) {
      if (error instanceof DeliveryError) throw error
      throw new DeliveryError('unreachable', error instanceof Error ? error.message : String(error), {
        cause: error,
      })
    }
  }

  progressPaceMs(_place: Place, streams: number): number {
    return 50 * Math.max(1, streams)
  }

  async typing({ chat }: Place, on: boolean): Promise<void> {
    this.#audience.tell({ event: 'typing', data: { conversation: chat, on } })
  }

  async answerPress({ place, pressed }: Press, text: string): Promise<void> {
    const token = 'token' in pressed ? pressed.token : ''
    this.#audience.tell({ event: 'pressed', data: { conversation: place.chat, token, text } })
  }

  /** Only where somebody uses the page at all. */
  ownerPlace(): Place | undefined {
    return this.#chat.conversations().length === 0 ? undefined : placeOf(ownerChat)
  }

  async prune(before: number): Promise<void> {
    const gone = this.#chat.prune(before)
    if (gone.length > 0) this.#tellConversations()
    for (const { ref, conversation } of gone)
      this.#audience.tell({ event: 'removed', data: { ref, conversation } })
    await this.#files.remove(gone.flatMap(filesOf))
    await this.#files.tidy(before)
  }

  async #carryOut(operation: Operation): Promise<MessageRef> {
    switch (operation.type) {
      case 'post': {
        const known = this.#chat.posted(operation.key)
        if (known !== undefined) return known.ref
        return this.#post(operation)
      }
      case 'edit': {
        const message = this.#chat.change(operation.ref, await this.#kept(operation.content), Date.now())
        if (message === undefined) throw new DeliveryError('gone', 'there is no such message')
        this.#audience.tell({ event: 'message', data: message })
        return operation.ref
      }
      case 'delete': {
        const gone = this.#chat.remove(operation.ref)
        if (gone !== undefined) {
          await this.#files.remove(filesOf(gone))
          this.#audience.tell({ event: 'removed', data: { ref: gone.ref, conversation: gone.conversation } })
        }
        return operation.ref
      }
    }
  }

  async #post({ key, place: { chat }, content }: Post): Promise<MessageRef> {
    const kept = await this.#kept(content)
    const before = this.#chat.conversations()
    try {
      const message = this.#chat.post(key, chat, kept, Date.now())
      this.#audience.tell({ event: 'message', data: message })
      if (!before.some(({ id }) => id === chat)) this.#tellConversations()
      return message.ref
    } catch (error) {
      await this.#files.remove(filesOf({ content: kept }))
      throw error
    }
  }

  /** A file is copied when it is sent: the chat shows it as it was then. */
  async #kept(content: Content): Promise<Content> {
    const file = fileContent.safeParse(content).data
    if (file === undefined) return content
    try {
      const kept = await this.#files.copy(file.path, file.name, file.mimeType)
      return { kind: 'file', state: 'ended', file: kept }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ENOENT' || code === 'EACCES' || code === 'ELOOP')
        throw new DeliveryError('rejected', `the file cannot be read (${code})`, { cause: error })
      throw error
    }
  }

  /** One bar of signal: the answer to the first try may have been lost, or that try waits for the disk. */
  async #say(intake: Intake, message: Saying): Promise<void> {
    const { id } = message
    if (this.#chat.wasSaid(id)) return
    const taken = this.#taking.get(id) ?? this.#take(intake, message).finally(() => this.#taking.delete(id))
    this.#taking.set(id, taken)
    await taken
  }

  async #take(intake: Intake, { id, conversation, text, files: ids }: Saying): Promise<void> {
    this.#deps.heard()
    const files = ids.flatMap((file) => this.#files.find(file) ?? [])
    const attachments = files.map(({ id: file, ...facts }): Attachment => {
      const path = this.#files.pathOf(file)
      return { ...facts, kind: kindOf(facts.mimeType), ...(path === undefined ? {} : { path }) }
    })
    const { message, entries } = this.#chat.said(id, conversation, { text, files }, Date.now())
    await intake.take(
      [
        {
          ...from(id, conversation),
          kind: 'message',
          messageId: id,
          text,
          ...(attachments.length === 0 ? {} : { attachments }),
        },
      ],
      { ...entries, ...this.#files.sent(ids) },
    )
    this.#audience.tell({ event: 'message', data: message })
    this.#tellConversations()
  }

  async #press(intake: Intake, { id, conversation, token }: Pressing): Promise<void> {
    this.#deps.heard()
    await intake.take([{ ...from(id, conversation), kind: 'press', pressed: { token } }])
  }

  #rename(conversation: string, title: string): boolean {
    const known = this.#chat.rename(conversation, title)
    this.#tellConversations()
    return known
  }

  async #forget(conversation: string): Promise<void> {
    const messages = this.#chat.forget(conversation)
    this.#tellConversations()
    await this.#files.remove(messages.flatMap(filesOf))
  }

  #tellConversations(): void {
    this.#audience.tell({ event: 'conversations', data: this.#chat.conversations() })
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

function placeOf(conversation: string): Place {
  return { key: `web:${conversation}`, transport: 'web', chat: conversation }
}

function from(id: string, conversation: string) {
  const place = placeOf(conversation)
  return { id, place, sender: { id: owner }, sentAt: Date.now(), group: false, addressed: true }
}

function kindOf(mimeType: string): AttachmentKind {
  if (mimeType.startsWith('image/')) return 'picture'
  if (mimeType.startsWith('audio/')) return 'audio'
  return mimeType.startsWith('video/') ? 'video' : 'file'
}

const files = z.object({
  file: z.object({ id: z.string() }).exactOptional(),
  files: z.array(z.object({ id: z.string() })).exactOptional(),
})

/** The ids of a message's files. */
function filesOf({ content }: { readonly content: Content }): readonly string[] {
  const found = files.safeParse(content).data
  return [...(found?.file === undefined ? [] : [found.file]), ...(found?.files ?? [])].map(({ id }) => id)
}
