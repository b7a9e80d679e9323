import { join } from 'node:path'
import type { Policy } from '../../core/authorise.ts'
import type { TransportDeps } from '../../core/define.ts'
import type { Attachment, Place } from '../../core/message.ts'
import {
  DeliveryError,
  FatalError,
  type Content,
  type Intake,
  type Mark,
  type MessageRef,
  type Operation,
  type Transport,
} from '../../core/transport.ts'
import { UserError } from '../../core/user-error.ts'
import type { View } from '../../core/view.ts'
import { removeReceived } from '../received-files.ts'
import { AllowedRooms } from './allowed-rooms.ts'
import { Chores } from './chores.ts'
import { MatrixError, path, type Call } from './client.ts'
import { Condition } from './condition.ts'
import type { MatrixConfig } from './config.ts'
import { CredentialsFile } from './credentials.ts'
import { openFile } from './crypto/sealed-files.ts'
import { CryptoSide } from './crypto/side.ts'
import { deliver } from './deliver.ts'
import { perform } from './duties.ts'
import { EarlierPosts } from './earlier.ts'
import { fetchFile } from './files-in.ts'
import { signIn } from './login.ts'
import { Listener } from './listener.ts'
import { usualTempo, type Tempo } from './pulse.ts'
import { OwnerChat } from './owner-chat.ts'
import { rememberingRender } from './render.ts'
import { Session } from './session.ts'
import { lastLife } from './stream-place.ts'
import { Thumbnails, uploadsFolder } from './thumbnail.ts'
import * as wire from './wire.ts'

/** Between two messages of progress in a chat. */
const usualPaceMs = { segments: 2_000, edits: 4_000 } as const

/** Signs in to a homeserver and stays; hears what is said in the bot's rooms, and says there what it is told to. */
export class MatrixTransport implements Transport {
  readonly commandPrefixes = ['/', '!']
  readonly ownCommands = [{ name: 'verify', summary: 'verify that this bot is the right one (by emoji)' }]
  readonly choices = 'typed'
  readonly dropsDoubles = true

  #config: MatrixConfig
  readonly #deps: TransportDeps
  readonly #file: CredentialsFile
  readonly #allowedRooms: AllowedRooms
  readonly #chores: Chores
  readonly #earlier: EarlierPosts
  readonly #condition: Condition
  readonly #listener: Listener
  readonly #render: ReturnType<typeof rememberingRender>
  readonly #ownerRoom: AllowedRooms
  readonly #crypto: CryptoSide
  readonly #ownerChat: OwnerChat
  readonly #thumbnails: Thumbnails
  #session: Session | undefined

  constructor(config: MatrixConfig, deps: TransportDeps, tempo: Tempo = usualTempo) {
    const { matrix } = config
    const owner = { homeserver: matrix.homeserver, userId: matrix.user_id }
    this.#config = config
    this.#deps = deps
    this.#file = new CredentialsFile(join(deps.home, matrix.store_path), owner, deps.log)
    this.#allowedRooms = new AllowedRooms(matrix.allowed_rooms, deps.memory, deps.log)
    this.#ownerRoom = new AllowedRooms(
      matrix.owner_room === undefined ? [] : [matrix.owner_room],
      deps.memory,
      deps.log,
    )
    this.#chores = new Chores(deps.memory, deps.log)
    this.#render = rememberingRender(matrix)
    this.#earlier = new EarlierPosts()
    this.#condition = new Condition(matrix.user_id, (report) => deps.report(report), deps.log)
    const { home, memory, log, env = {} } = deps
    this.#thumbnails = new Thumbnails({ home, folder: join(home, matrix.store_path, uploadsFolder), log })
    this.#crypto = new CryptoSide({
      home,
      matrix,
      env,
      memory,
      log,
      policy: () => this.policy,
      chores: this.#chores,
      isEncrypted: (room) => this.#listener.rooms.facts(room).encrypted,
      directWith: (user) => this.#listener.rooms.directWith(user),
    })
    this.#listener = new Listener({
      memory,
      log,
      tempo,
      condition: this.#condition,
      crypto: this.#crypto,
      chores: this.#chores,
      allowedRooms: this.#allowedRooms,
      threads: matrix.threads,
      heard: () => deps.heard(),
    })
    this.#ownerChat = new OwnerChat({
      memory,
      log,
      chores: this.#chores,
      rooms: () => this.#listener.rooms,
      syncs: () => this.#listener.syncs,
    })
  }

  get policy(): Policy {
    const { matrix, group_mention_only: mentionOnly } = this.#config
    return {
      users: matrix.allowed_users.length === 0 ? 'everyone' : new Set(matrix.allowed_users),
      rooms: this.#listedRooms(),
      privateChats: 'listed',
      mentionOnly,
    }
  }

  /** Takes over who may talk; all else of a changed configuration waits for a restart. */
  reconfigure({ matrix, group_mention_only }: MatrixConfig): void {
    const { allowed_users } = matrix
    this.#config = { ...this.#config, group_mention_only, matrix: { ...this.#config.matrix, allowed_users } }
  }

  /** Those that are listed, and those in which they go on. */
  #listedRooms(): Policy['rooms'] {
    const { rooms } = this.#allowedRooms
    return rooms === 'everywhere' ? rooms : this.#listener.withSuccessors(rooms)
  }

  async listen(intake: Intake, signal: AbortSignal): Promise<void> {
    this.#crypto.leave()
    while (!signal.aborted) {
      try {
        this.#condition.report('connecting')
        const session = await this.#signIn(signal)
        this.#session = session
        await this.#stay(session, intake, signal)
      } catch (error) {
        if (signal.aborted) break
        if (error instanceof FatalError) this.#condition.report('failed', error.message)
        else await this.#condition.rest(error, signal)
        if (error instanceof FatalError) throw error
      }
    }
    this.#condition.report('stopped')
  }

  async #signIn(signal: AbortSignal): Promise<Session> {
    const { log } = this.#deps
    const resting = (ms: number): void => {
      const seconds = Math.ceil(ms / 1000)
      this.#condition.report('failed', `The homeserver asks to wait ${seconds} s before the next log-in.`)
    }
    const { matrix } = this.#config
    const asking = (text: string): void => this.#condition.report('failed', text)
    const signedIn = await signIn({ matrix, file: this.#file, log, resting, asking }, signal)
    await this.#crypto.enter(signedIn.client, signedIn.userId, signedIn.deviceId, signal)
    const session = await Session.open(signedIn, this.#crypto, signal)
    await this.#allowedRooms.resolve(session.client, signal)
    await this.#ownerRoom.resolve(session.client, signal)
    this.#earlier.begin(session.device, lastLife(this.#deps.memory))
    this.#condition.signedIn(session.self.userId)
    return session
  }

  /** Hears until the log-in ends; then it throws the refusal. Meanwhile it does what is to be done. */
  async #stay(session: Session, intake: Intake, signal: AbortSignal): Promise<void> {
    const leaving = new AbortController()
    const staying = AbortSignal.any([signal, leaving.signal])
    const duties = this.#doDuties(session, staying)
    const pulse = this.#listener.feelPulse(session, staying)
    try {
      await this.#listener.hear(session, intake, AbortSignal.any([signal, session.ended]))
    } catch (error) {
      if (!(error instanceof MatrixError && error.deadToken)) throw error
      this.#session = undefined
      // A second password log-in would only be the beginning of a loop, and the end of the homeserver's patience.
      if (session.fresh) throw refusedAtOnce(error)
      throw error
    } finally {
      leaving.abort()
      await Promise.all([duties, pulse])
    }
  }

  async #doDuties(session: Session, signal: AbortSignal): Promise<void> {
    const { memory, log } = this.#deps
    const deps = {
      client: session.client,
      self: session.self.userId,
      crypto: this.#crypto,
      budget: session.budget,
      memory,
      log,
      allowedRooms: this.#allowedRooms,
      policy: () => this.policy,
      isInvited: (room: string) => this.#listener.rooms.facts(room).membership === 'invite',
      closedFor: (room: string) => this.#listener.rooms.closedFor(room),
    }
    await this.#chores.run((chore, until) => perform(chore, deps, until), signal)
  }

  render(view: View): readonly Content[] {
    return this.#render(view)
  }

  async deliver(operation: Operation, signal: AbortSignal): Promise<MessageRef> {
    const session = this.#session
    if (session === undefined) throw new DeliveryError('unreachable', 'not signed in to the homeserver')
    const { memory, log } = this.#deps
    const deps = {
      voice: session,
      budget: session.budget,
      self: session.self.userId,
      rooms: this.#listener.rooms,
      ownerChat: this.#ownerChat,
      earlier: this.#earlier,
      files: session.files,
      thumbnails: this.#thumbnails,
      sealFile: (room: string) => this.#crypto.sealFileFor(room),
      memory,
      log,
      chores: this.#chores,
    }
    try {
      return await deliver(operation, deps, signal)
    } catch (error) {
      if (error instanceof DeliveryError && error.cause instanceof MatrixError && error.cause.deadToken) {
        session.end(error.cause)
      }
      throw error
    }
  }

  /** Segments come as they are finished; the pace leaves the homeserver's patience for the answer. */
  progressPaceMs(_place: Place, streams: number): number {
    return (this.#session?.budget.paceMs ?? usualPaceMs[this.#config.matrix.streaming]) * Math.max(1, streams)
  }

  async fetch(attachment: Attachment, _place: Place, signal: AbortSignal): Promise<Attachment> {
    const session = this.#session
    if (session === undefined) throw new UserError('The homeserver cannot be reached right now.')
    const folder = this.#files
    const maxBytes = this.#config.matrix.max_file_mb * 1024 * 1024
    return fetchFile(attachment, { client: session.client, folder, maxBytes, openFile }, signal)
  }

  prune(before: number): Promise<void> {
    return removeReceived(this.#files, before)
  }

  /** Where what people send is stored. */
  get #files(): string {
    return join(this.#deps.home, 'workspace', 'matrix_files')
  }

  /**
   * The room that is configured for it, or the direct chat with the first who may talk to the bot. Where only some
   * rooms are allowed, the bot begins no other.
   */
  ownerPlace(): Place | undefined {
    const { owner_room: wanted, allowed_users, allowed_rooms } = this.#config.matrix
    const { rooms } = this.#listener
    if (wanted !== undefined) {
      const [room] = this.#ownerRoom.rooms
      return room !== undefined && rooms.facts(room).membership === 'join' ? rooms.place(room) : undefined
    }
    const [owner] = allowed_users
    if (owner === undefined) return undefined
    const mayBegin = allowed_rooms.length === 0
    return mayBegin || rooms.directWith(owner) !== undefined ? this.#ownerChat.placeWith(owner) : undefined
  }

  async typing({ chat }: Place, on: boolean): Promise<void> {
    const self = this.#session?.self.userId ?? ''
    const body = on ? { typing: true, timeout: 30_000 } : { typing: false }
    await this.#courtesy({ method: 'PUT', path: path`/rooms/${chat}/typing/${self}`, body })
  }

  async mark({ chat, thread }: Place, messageId: string, mark: Mark): Promise<void> {
    if (mark !== 'seen') return
    const body = this.#config.matrix.threads ? { thread_id: thread ?? 'main' } : {}
    await this.#courtesy({ method: 'POST', path: path`/rooms/${chat}/receipt/m.read/${messageId}`, body })
  }

  /** Something that nobody misses when it fails. */
  async #courtesy(call: Call): Promise<void> {
    try {
      await this.#session?.client.call(
        { ...call, timeoutMs: 10_000 },
        wire.done,
        new AbortController().signal,
      )
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#deps.log.debug({ reason }, 'a courtesy on Matrix failed')
    }
  }
}

function refusedAtOnce(cause: MatrixError): FatalError {
  return new FatalError(
    'The homeserver refuses the log-in that it gave a moment ago. Look at the log of the homeserver, then start ductor again.',
    { cause },
  )
}
