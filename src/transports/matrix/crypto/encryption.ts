import type { OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import type { Memory } from '../../../core/transport.ts'
import { MatrixError, NoAnswer, type MatrixClient } from '../client.ts'
import type { RoomEvent, SyncAnswer } from '../wire.ts'
import { AccountData } from './account-data.ts'
import { Backup } from './backup.ts'
import { openDeviceKeys, seenOf, shutDeviceKeys, type DeviceKeys } from './device-keys.ts'
import type { CryptoFolder } from './folder.ts'
import { indexedDb } from './indexeddb/install.ts'
import { loadCrypto, type CryptoLibrary } from './library.ts'
import { Members } from './members.ts'
import { Opening, type Opened } from './opening.ts'
import { OwnTrust } from './own-trust.ts'
import { Receiving } from './receiving.ts'
import type { RecoveryKeys } from './recovery-file.ts'
import { Requests } from './requests.ts'
import { Sealing, type Trust } from './sealing.ts'
import type { ToDeviceEvent } from './wire.ts'
import { Witness } from './witness.ts'

export interface EncryptionDeps {
  /** Absolute path of the home folder: libraries beyond the base install may lie there. */
  readonly home: string
  readonly folder: CryptoFolder
  readonly recovery: RecoveryKeys
  readonly client: MatrixClient
  readonly user: string
  readonly device: string
  readonly password: string | undefined
  readonly trust: Trust
  readonly memory: Memory
  readonly log: Log
}

/** The ones that are open in this process, by folder: a folder has one at a time. */
const opened = new Map<string, Encryption>()

/** End-to-end encryption of one device: its keys, its identity, and what it sends and hears. */
export class Encryption {
  readonly device: string
  readonly library: CryptoLibrary
  readonly olm: OlmMachine
  readonly requests: Requests
  readonly #deps: EncryptionDeps
  readonly #witness: Witness
  readonly #members: Members
  readonly #backup: Backup
  readonly #opening: Opening
  readonly #sealing: Sealing
  readonly #receiving: Receiving
  readonly #trust: OwnTrust
  readonly #running = new Set<Promise<unknown>>()
  #client: MatrixClient
  #closed = false

  private constructor(deps: EncryptionDeps, library: CryptoLibrary, olm: OlmMachine, witness: Witness) {
    const { user, device, password, log, trust, recovery, folder } = deps
    const client = () => this.#client
    this.#deps = deps
    this.#client = deps.client
    this.#witness = witness
    this.device = device
    this.library = library
    this.olm = olm
    const onDisk = () => indexedDb().onDisk(folder.database)
    const requests = new Requests({ library, olm, client, onDisk, log })
    const members = new Members(client)
    const backup = new Backup(library, olm, requests, client, log)
    this.requests = requests
    this.#members = members
    this.#backup = backup
    this.#opening = new Opening(library, olm, requests, backup, trust)
    this.#sealing = new Sealing({ library, olm, requests, members, trust, onDisk })
    this.#receiving = new Receiving({ library, olm, opening: this.#opening, database: folder.database, log })
    const data = new AccountData(client, user)
    const own = { user, device, password, recovery, data }
    const backupOpened = () => this.#receiving.anyRoom()
    this.#trust = new OwnTrust({ library, olm, requests, backup, client, log, ...own }, backupOpened)
  }

  /** Throws what `openDeviceKeys` throws. */
  static async open(deps: EncryptionDeps, signal: AbortSignal): Promise<Encryption> {
    const { home, folder, client, user, memory } = deps
    const library = await loadCrypto(home)
    await opened.get(folder.path)?.close()
    const witness = new Witness(memory, new AccountData(() => client, user))
    const keys = await openDeviceKeys(deps, library, witness, signal)
    try {
      const encryption = await Encryption.#begin(deps, library, keys, witness, signal)
      opened.set(folder.path, encryption)
      return encryption
    } catch (error) {
      shutDeviceKeys(deps, keys.olm)
      throw error
    }
  }

  static async #begin(
    deps: EncryptionDeps,
    library: CryptoLibrary,
    { olm, seen }: DeviceKeys,
    witness: Witness,
    signal: AbortSignal,
  ): Promise<Encryption> {
    deps.memory.remember(witness.pair(seen))
    const encryption = new Encryption(deps, library, olm, witness)
    olm.roomKeyRequestsEnabled = true
    await encryption.#backup.resume()
    await witness.tellServer(seen, signal)
    await encryption.renewIdentity(signal)
    return encryption
  }

  /** What a person has to do so that everybody can trust the bot's session, if anything. */
  get wanted(): string | undefined {
    return this.#trust.wanted
  }

  /** What to remember together with whatever the keys were used for. */
  get mark(): Readonly<Record<string, string>> {
    return this.#witness.pair(seenOf(this.#deps, this.olm))
  }

  /** Speaks through another client from now on: the device is the same, its log-in is new. */
  async use(client: MatrixClient, signal: AbortSignal): Promise<void> {
    this.#client = client
    await this.renewIdentity(signal)
  }

  renewIdentity(signal: AbortSignal): Promise<void> {
    return this.#during(() => this.#trust.renew(signal))
  }

  /**
   * Takes in what a sync brought for this device. The keys in it are on the disk when it resolves: only then may the
   * next sync tell the homeserver to forget them. Resolves with what was said from device to device.
   */
  receive(answer: SyncAnswer, signal: AbortSignal): Promise<readonly ToDeviceEvent[]> {
    return this.#during(() => this.#receiving.receive(answer, signal))
  }

  /** Asks for the devices of somebody who was not asked about yet in this run. */
  async learnDevices(user: string, signal: AbortSignal): Promise<void> {
    await this.#during(() => this.#opening.learnDevices(user, signal))
  }

  /** After the place in the stream of syncs was lost: whose devices changed meanwhile is not known. */
  forgetDeviceLists(): Promise<void> {
    return this.#during(() => this.olm.markAllTrackedUsersAsDirty())
  }

  open(room: string, event: RoomEvent, signal: AbortSignal): Promise<Opened> {
    return this.#during(() => this.#opening.open(room, event, signal))
  }

  /** The content of the `m.room.encrypted` that holds this event. Throws what the client throws. */
  seal(
    room: string,
    type: string,
    content: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    return this.#during(() => this.#sealing.seal(room, type, content, signal))
  }

  /** Rooms for which keys have come since the last `settle`; undefined: perhaps for all. */
  get freshRooms(): ReadonlySet<string> | undefined {
    return this.#receiving.freshRooms
  }

  /** What is due after a sync was stored: whose keys to follow, what the machine wants to send, the backup. */
  settle(answer: SyncAnswer, isEncrypted: (room: string) => boolean, signal: AbortSignal): Promise<void> {
    return this.#during(async () => {
      // What they opened is stored by now.
      this.#receiving.used()
      const come = Object.entries(answer.rooms.join).flatMap(([room, section]) => {
        const users = this.#members.meet(room, section)
        return isEncrypted(room) ? users : []
      })
      if (come.length > 0)
        await this.olm.updateTrackedUsers(come.map((user) => new this.library.UserId(user)))
      if (this.wanted !== undefined) await this.#trust.takeSecrets(signal)
      await this.requests.pump(signal)
      this.#backUp(signal)
    })
  }

  /** Resolves when nothing uses the keys any more, and another process may. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
    try {
      shutDeviceKeys(this.#deps, this.olm)
    } catch (error) {
      this.#deps.log.error({ err: error }, 'the encryption did not close in good order')
    }
    if (opened.get(this.#deps.folder.path) === this) opened.delete(this.#deps.folder.path)
  }

  /** Beside the syncs: a big backup must not hold up what people say. */
  #backUp(signal: AbortSignal): void {
    const { log } = this.#deps
    void this.#during(() => this.#backup.upload(signal)).catch((error: unknown) => {
      if (signal.aborted) return
      if (error instanceof MatrixError || error instanceof NoAnswer) {
        log.info({ reason: error.message }, 'the backup of the room keys has to wait')
      } else log.error({ err: error }, 'the backup of the room keys failed')
    })
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new NoAnswer('the encryption is closed')
    const running = work()
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }
}
