import { join } from 'node:path'
import { authorise, type Policy } from '../../../core/authorise.ts'
import type { Log } from '../../../core/define.ts'
import type { Memory } from '../../../core/transport.ts'
import type { Self } from '../addressed.ts'
import { NoAnswer, path, type MatrixClient } from '../client.ts'
import type { Chores } from '../chores.ts'
import { filled, type MatrixConfig } from '../config.ts'
import type { SealFile } from '../files-out.ts'
import type { Rooms } from '../rooms.ts'
import type { RoomEventToSend } from '../send.ts'
import { uploadsFolder } from '../thumbnail.ts'
import { transactionId } from '../transaction-id.ts'
import { done, type RoomEvent, type SyncAnswer } from '../wire.ts'
import { Encryption } from './encryption.ts'
import { CryptoFolder } from './folder.ts'
import { Outgoing } from './outgoing.ts'
import { Reading } from './reading.ts'
import { RecoveryKeys } from './recovery-file.ts'
import { fileSealer, sweep } from './sealed-files.ts'
import { Verification } from './verification.ts'

export interface SideDeps {
  readonly home: string
  readonly matrix: MatrixConfig['matrix']
  readonly env: Readonly<Record<string, string>>
  readonly memory: Memory
  readonly log: Log
  readonly policy: () => Policy
  readonly chores: Chores
  readonly isEncrypted: (room: string) => boolean
  /** The room where the bot is alone with this person. */
  readonly directWith: (user: string) => string | undefined
}

/** Where the recovery key may stand instead of the configuration. */
export const recoveryKeyVariable = 'DUCTOR_MATRIX_RECOVERY_KEY'

/** Where people last wrote; enough for all who ever will. */
const mostPeople = 1_000

export interface ToDeviceMessage {
  readonly user: string
  readonly device: string
  readonly type: string
  readonly content: Readonly<Record<string, unknown>>
  /** The same at each attempt. */
  readonly key: string
}

interface Active {
  readonly encryption: Encryption
  readonly verification: Verification
  client: MatrixClient
}

/** All that the transport has to do with encryption. */
export class CryptoSide {
  readonly outgoing: Outgoing
  readonly #deps: SideDeps
  readonly #lastRooms = new Map<string, string>()
  #active: Active | undefined

  constructor(deps: SideDeps) {
    this.#deps = deps
    this.outgoing = new Outgoing({
      memory: deps.memory,
      isEncrypted: deps.isEncrypted,
      encryption: () => this.encryption,
    })
  }

  /** Throws `NoAnswer` as long as nobody has signed in. */
  get encryption(): Encryption {
    return this.#now.encryption
  }

  get verification(): Verification {
    return this.#now.verification
  }

  get #now(): Active {
    if (this.#active === undefined) throw new NoAnswer('the encryption is not ready yet')
    return this.#active
  }

  /** After a fault: what is in memory is not to be trusted any more, and is read from the disk at the next `enter`. */
  leave(): void {
    this.#active = undefined
  }

  /**
   * Makes the device ready to read and write, before it joins anything. Throws `FatalError` where only a person can
   * help, and what the client throws.
   */
  async enter(client: MatrixClient, user: string, device: string, signal: AbortSignal): Promise<void> {
    if (this.#active?.encryption.device === device) {
      this.#active.client = client
      await this.#active.encryption.use(client, signal)
      return
    }
    await sweep(this.#draftFolder)
    const encryption = await this.#open(client, user, device, signal)
    this.#active = { encryption, verification: this.#verificationWith(encryption, user), client }
  }

  #open(client: MatrixClient, user: string, device: string, signal: AbortSignal): Promise<Encryption> {
    const { home, matrix, env, memory, log } = this.#deps
    const base = join(home, matrix.store_path)
    const configured = matrix.encryption.recovery_key ?? env[recoveryKeyVariable]
    return Encryption.open(
      {
        home,
        client,
        user,
        device,
        memory,
        log,
        folder: new CryptoFolder(join(base, 'crypto')),
        recovery: new RecoveryKeys(
          join(base, 'recovery-key.txt'),
          filled(configured) ? configured : undefined,
          log,
        ),
        password: filled(matrix.password) ? matrix.password : undefined,
        trust: matrix.encryption.trust,
      },
      signal,
    )
  }

  #verificationWith(encryption: Encryption, self: string): Verification {
    const { memory, log, policy, chores, directWith } = this.#deps
    return new Verification({
      encryption,
      memory,
      chores,
      log,
      self,
      mayTalk: (sender) => mayTalk(policy(), sender),
      send: (room, type, content, key, until) => this.send({ room, type, content, key }, until),
      roomOf: (person) => this.#lastRooms.get(person) ?? directWith(person),
    })
  }

  /** Encrypts a file for the room; undefined where the room is not encrypted. */
  sealFileFor(room: string): SealFile | undefined {
    return this.#deps.isEncrypted(room) ? fileSealer(this.#draftFolder) : undefined
  }

  get #draftFolder(): string {
    return join(this.#deps.home, this.#deps.matrix.store_path, uploadsFolder)
  }

  /** What a person has to do so that everybody can trust the bot's session, if anything. */
  get wanted(): string | undefined {
    return this.#active?.encryption.wanted
  }

  /** Stores the keys that the answer brought. */
  async receive(answer: SyncAnswer, signal: AbortSignal): Promise<void> {
    // The machine hears no answer to what it does not know to be sent.
    if (this.encryption.requests.dueInMs !== undefined) await this.encryption.requests.pump(signal)
    this.verification.hear(await this.encryption.receive(answer, signal))
  }

  /** Makes the events of one answer readable; `rooms` as that answer changes them. */
  reading(rooms: Rooms, self: Self): Reading {
    const { matrix, memory, policy, log } = this.#deps
    const { encryption } = this
    return new Reading({ encryption, matrix, memory, policy: policy(), rooms, self, now: Date.now, log })
  }

  /** What is due after the answer and what was read of it are stored. */
  async settle(answer: SyncAnswer, { signs, spoke }: Reading, signal: AbortSignal): Promise<void> {
    for (const [user, room] of spoke) this.#remember(user, room)
    for (const { room, event } of signs) await this.verification.hearRoom(room, event, signal)
    await this.encryption.settle(answer, this.#deps.isEncrypted, signal)
    await this.verification.step(signal)
  }

  /** Milliseconds until something is to be sent again that failed; undefined: nothing waits. */
  get dueInMs(): number | undefined {
    if (this.#active === undefined) return undefined
    const { encryption, verification } = this.#active
    const due = [encryption.requests.dueInMs, verification.dueInMs].filter((ms) => ms !== undefined)
    return due.length === 0 ? undefined : Math.min(...due)
  }

  /** Says something to people, as a notice that rings no phone. */
  async say(room: string, text: string, key: string, signal: AbortSignal): Promise<void> {
    const content = { msgtype: 'm.notice', body: text, 'm.mentions': {} }
    await this.send({ room, type: 'm.room.message', content, key }, signal)
  }

  /** Sends an event, encrypted where its room is. */
  async send(event: RoomEventToSend, signal: AbortSignal): Promise<string> {
    return this.outgoing.send(event, this.#now.client, signal)
  }

  /** Says something to one device, for everybody on the way to read. */
  async sendToDevice(
    { user, device, type, content, key }: ToDeviceMessage,
    signal: AbortSignal,
  ): Promise<void> {
    const body = { messages: { [user]: { [device]: content } } }
    const where = path`/sendToDevice/${type}/${transactionId(key)}`
    await this.#now.client.call({ method: 'PUT', path: where, body }, done, signal)
  }

  /**
   * The event as it was meant, where it is encrypted and can be read; nobody is told of what cannot. What the homeserver
   * may have written itself is empty where only what is signed counts.
   */
  async reveal(room: string, event: RoomEvent, signal: AbortSignal): Promise<RoomEvent> {
    const { isEncrypted, matrix } = this.#deps
    if (event.type !== 'm.room.encrypted') {
      const doubtful = matrix.encryption.trust === 'signed-devices' && isEncrypted(room)
      return doubtful ? { ...event, content: {} } : event
    }
    const opened = await this.encryption.open(room, event, signal)
    return opened.is === 'open' ? opened.event : event
  }

  #remember(user: string, room: string): void {
    if (this.#lastRooms.size >= mostPeople) this.#lastRooms.clear()
    this.#lastRooms.set(user, room)
  }
}

/** May this person talk to the bot somewhere? */
function mayTalk(policy: Policy, sender: string): boolean {
  const chat = policy.rooms === 'everywhere' ? '' : (policy.rooms.values().next().value ?? '')
  return authorise(policy, { act: 'message', sender, chat, group: false, addressed: true }).allowed
}
