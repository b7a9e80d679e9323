import { join } from 'node:path'
import type { Policy } from '../../core/authorise.ts'
import type { TransportDeps } from '../../core/define.ts'
import type { Attachment, Place } from '../../core/message.ts'
import {
  DeliveryError,
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
import { MatrixError } from './client.ts'
import { Condition } from './condition.ts'
import type { MatrixConfig } from './config.ts'
import { Courtesies } from './courtesies.ts'
import { CredentialsFile } from './credentials.ts'
import { openFile } from './crypto/sealed-files.ts'
import { CryptoSide } from './crypto/side.ts'
import { deliver } from './deliver.ts'
import { EarlierPosts } from './earlier.ts'
import { fetchFile } from './files-in.ts'
import { Life } from './life.ts'
import { Listener } from './listener.ts'
import { usualTempo, type Tempo } from './pulse.ts'
import { OwnerChat } from './owner-chat.ts'
import { rememberingRender } from './render.ts'
import { Thumbnails, uploadsFolder } from './thumbnail.ts'

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
  readonly #allowedRooms: AllowedRooms
  readonly #ownerRoom: AllowedRooms
  readonly #chores: Chores
  readonly #earlier = new EarlierPosts()
  readonly #render: ReturnType<typeof rememberingRender>
  readonly #crypto: CryptoSide
  readonly #listener: Listener
  readonly #life: Life
  readonly #ownerChat: OwnerChat
  readonly #thumbnails: Thumbnails
  readonly #courtesies: Courtesies

  constructor(config: MatrixConfig, deps: TransportDeps, tempo: Tempo = usualTempo) {
    const { matrix } = config
    const { home, memory, log, env = {} } = deps
    this.#config = config
    this.#deps = deps
    this.#render = rememberingRender(matrix)
    const allowedRooms = new AllowedRooms(matrix.allowed_rooms, memory, log)
    const ownerRoom = new AllowedRooms(
      matrix.owner_room === undefined ? [] : [matrix.owner_room],
      memory,
      log,
    )
    const chores = new Chores(memory, log)
    const rooms = () => this.#listener.rooms
    const policy = () => this.policy
    const condition = new Condition(matrix.user_id, (report) => deps.report(report), log)
    const isEncrypted = (room: string) => rooms().isEncrypted(room)
    const directWith = (user: string) => rooms().directWith(user)
    const crypto = new CryptoSide({ home, matrix, env, memory, log, policy, chores, isEncrypted, directWith })
    const parts = { memory, log, condition, crypto, chores, allowedRooms, ownerRoom }
    const { threads } = matrix
    const heard = () => deps.heard()
    this.#listener = new Listener({ ...parts, tempo, threads, heard })
    const owner = { homeserver: matrix.homeserver, userId: matrix.user_id }
    const file = new CredentialsFile(join(home, matrix.store_path), owner, log)
    const listener = this.#listener
    this.#life = new Life({ ...parts, matrix, file, listener, earlier: this.#earlier, policy })
    this.#ownerChat = new OwnerChat({ memory, log, chores, rooms, syncs: () => this.#listener.syncs })
    this.#thumbnails = new Thumbnails({ home, folder: join(home, matrix.store_path, uploadsFolder), log })
    this.#courtesies = new Courtesies({ session: () => this.#life.session, threads, log })
    this.#allowedRooms = allowedRooms
    this.#ownerRoom = ownerRoom
    this.#chores = chores
    this.#crypto = crypto
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

  listen(intake: Intake, signal: AbortSignal): Promise<void> {
    return this.#life.run(intake, signal)
  }

  render(view: View): readonly Content[] {
    return this.#render(view)
  }

  async deliver(operation: Operation, signal: AbortSignal): Promise<MessageRef> {
    const session = this.#life.session
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
    return (
      (this.#life.session?.budget.paceMs ?? usualPaceMs[this.#config.matrix.streaming]) * Math.max(1, streams)
    )
  }

  async fetch(attachment: Attachment, _place: Place, signal: AbortSignal): Promise<Attachment> {
    const session = this.#life.session
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

  typing(place: Place, on: boolean): Promise<void> {
    return this.#courtesies.typing(place, on)
  }

  mark(place: Place, messageId: string, mark: Mark): Promise<void> {
    return this.#courtesies.mark(place, messageId, mark)
  }
}
