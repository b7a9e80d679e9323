import type { OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import { FatalError, type Memory } from '../../../core/transport.ts'
import { MatrixError, NoAnswer, path, type MatrixClient } from '../client.ts'
import type { RoomEvent, SyncAnswer } from '../wire.ts'
import { AccountData } from './account-data.ts'
import { Backup } from './backup.ts'
import type { CryptoFolder } from './folder.ts'
import { ensureIdentity, type IdentityDeps } from './identity.ts'
import { indexedDb, placeStore } from './indexeddb/install.ts'
import { loadCrypto, type CryptoLibrary } from './library.ts'
import { Members } from './members.ts'
import { Opening, type Opened } from './opening.ts'
import { ProofNeeded } from './proof.ts'
import type { RecoveryKeys } from './recovery-file.ts'
import { Requests } from './requests.ts'
import { Sealing, type Trust } from './sealing.ts'
import * as wire from './wire.ts'
import { Witness, type Seen } from './witness.ts'

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
  readonly #identity: IdentityDeps
  readonly #running = new Set<Promise<unknown>>()
  /** Rooms for which keys have come since the last `settle`. Undefined: any room, for a whole backup may be there now. */
  #fresh: Set<string> | undefined
  #client: MatrixClient
  #closed = false
  #hasIdentity = false
  #wanted: string | undefined

  private constructor(deps: EncryptionDeps, library: CryptoLibrary, olm: OlmMachine, witness: Witness) {
    const { user, device, password, log, trust, recovery } = deps
    const client = () => this.#client
    this.#deps = deps
    this.#client = deps.client
    this.#witness = witness
    this.device = device
    this.library = library
    this.olm = olm
    const onDisk = () => indexedDb().onDisk(deps.folder.database)
    this.requests = new Requests({ library, olm, client, onDisk, log })
    this.#members = new Members(client)
    this.#backup = new Backup(library, olm, this.requests, client, log)
    this.#opening = new Opening(library, olm, this.requests, this.#backup, trust)
    this.#sealing = new Sealing({
      library,
      olm,
      requests: this.requests,
      members: this.#members,
      trust,
      onDisk,
    })
    const data = new AccountData(client, user)
    const { requests } = this
    this.#identity = {
      library,
      olm,
      requests,
      backup: this.#backup,
      data,
      recovery,
      client,
      user,
      device,
      password,
      log,
    }
  }

  /**
   * Opens the keys of the device, or makes them where it is new. Throws `FatalError` where they are not the keys that
   * the homeserver has, are missing, or are an older copy; and what the client throws.
   */
  static async open(deps: EncryptionDeps, signal: AbortSignal): Promise<Encryption> {
    const { folder, client, user, device, memory, log } = deps
    const library = await loadCrypto(deps.home)
    await opened.get(folder.path)?.close()
    const witness = new Witness(memory, new AccountData(() => client, user))
    const known = witness.recall()
    if (folder.exists && known !== undefined && (known.device !== device || known.user !== user)) {
      const to = await folder.archive(known.device)
      log.warn(
        { device: known.device, to },
        'the encryption keys of an earlier device of the bot were put aside',
      )
    }
    const published = await publishedKey(client, user, device, signal)
    if (!folder.exists && (published !== undefined || known?.device === device))
      throw new FatalError(lost(deps))
    const least = await witness.least(device, signal)
    const olm = await openMachine(deps, library)
    try {
      const seen = { user, device, ed25519: olm.identityKeys.ed25519.toBase64(), commits: commitsOf(folder) }
      if (published !== undefined && published !== seen.ed25519) throw new FatalError(foreign(deps))
      if (known?.device === device && known.ed25519 !== seen.ed25519) throw new FatalError(foreign(deps))
      if (seen.commits < least) throw new FatalError(outdated(deps))
      memory.remember(witness.pair(seen))
      const encryption = new Encryption(deps, library, olm, witness)
      await encryption.#begin(seen, signal)
      opened.set(folder.path, encryption)
      return encryption
    } catch (error) {
      olm.close()
      indexedDb().shut(folder.store)
      throw error
    }
  }

  /** What a person has to do so that everybody can trust the bot's session, if anything. */
  get wanted(): string | undefined {
    return this.#wanted
  }

  /** What to remember together with whatever the keys were used for. */
  get mark(): Readonly<Record<string, string>> {
    return this.#witness.pair(this.#seen())
  }

  /** Speaks through another client from now on: the device is the same, its log-in is new. */
  async use(client: MatrixClient, signal: AbortSignal): Promise<void> {
    this.#client = client
    await this.renewIdentity(signal)
  }

  renewIdentity(signal: AbortSignal): Promise<void> {
    return this.#during(() => this.#renewIdentity(signal))
  }

  /**
   * Takes in what a sync brought for this device. The keys in it are on the disk when it resolves: only then may the
   * next sync tell the homeserver to forget them. Resolves with what was said from device to device.
   */
  receive(answer: SyncAnswer, signal: AbortSignal): Promise<readonly wire.ToDeviceEvent[]> {
    return this.#during(async () => {
      // The library does not listen to devices that it does not know.
      for (const event of answer.to_device.events) {
        const { type, sender } = wire.toDeviceEvent.safeParse(event).data ?? {}
        if (type === 'm.key.verification.request' && sender !== undefined) {
          await this.#opening.learnDevices(sender, signal)
        }
      }
      const { DecryptionSettings, DeviceLists, ProcessedToDeviceEventType, TrustRequirement, UserId } =
        this.library
      const users = (ids: readonly string[]) => ids.map((id) => new UserId(id))
      const lists = new DeviceLists(users(answer.device_lists.changed), users(answer.device_lists.left))
      const counts = new Map(Object.entries(answer.device_one_time_keys_count))
      const fallback = answer.device_unused_fallback_key_types
      // The library forgets the one-time key first and stores what it has decrypted second: a crash between the two
      // would lose the message for ever.
      const events = await indexedDb().together(this.#deps.folder.database, () =>
        this.olm.receiveSyncChanges(
          JSON.stringify(answer.to_device.events),
          lists,
          counts,
          fallback === undefined ? undefined : new Set(fallback),
          new DecryptionSettings(TrustRequirement.Untrusted),
        ),
      )
      const { Decrypted, PlainText, UnableToDecrypt } = ProcessedToDeviceEventType
      const unread = events.filter(({ type }) => type === UnableToDecrypt).length
      // After a crash the same ones come again, and have done their work already.
      if (unread > 0) this.#deps.log.info({ unread }, 'messages from device to device cannot be decrypted')
      const heard = events.flatMap(({ type, rawEvent }) =>
        type === Decrypted || type === PlainText
          ? (wire.toDeviceEvent.safeParse(JSON.parse(rawEvent)).data ?? [])
          : [],
      )
      for (const { type, content } of heard) {
        const room = content['room_id']
        const brings = type === 'm.room_key' || type === 'm.forwarded_room_key'
        if (brings && typeof room === 'string') this.#fresh?.add(room)
      }
      return heard
    })
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
    return this.#fresh
  }

  /** What is due after a sync was stored: whose keys to follow, what the machine wants to send, the backup. */
  settle(answer: SyncAnswer, isEncrypted: (room: string) => boolean, signal: AbortSignal): Promise<void> {
    return this.#during(async () => {
      // What they opened is stored by now.
      this.#fresh = new Set()
      const come = Object.entries(answer.rooms.join).flatMap(([room, section]) => {
        const users = this.#members.meet(room, section)
        return isEncrypted(room) ? users : []
      })
      if (come.length > 0)
        await this.olm.updateTrackedUsers(come.map((user) => new this.library.UserId(user)))
      if (this.#wanted !== undefined) await this.#takeSecrets(signal)
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
      this.olm.close()
    } catch (error) {
      this.#deps.log.error({ err: error }, 'the encryption did not close in good order')
    }
    // What the library gave to us may have a hold of the files until somebody collects it.
    indexedDb().shut(this.#deps.folder.store)
    if (opened.get(this.#deps.folder.path) === this) opened.delete(this.#deps.folder.path)
  }

  async #begin(seen: Seen, signal: AbortSignal): Promise<void> {
    this.olm.roomKeyRequestsEnabled = true
    await this.#backup.resume()
    await this.#witness.tellServer(seen, signal)
    await this.renewIdentity(signal)
  }

  async #renewIdentity(signal: AbortSignal): Promise<void> {
    this.#wanted = await this.#ensureIdentity(signal)
    this.#hasIdentity = await this.#hasSecrets()
    if (this.#wanted === undefined) return
    this.#deps.log.warn({ wanted: this.#wanted }, 'the bot is not verified')
    await this.olm.requestMissingSecretsIfNeeded()
  }

  /** Does this device have what it takes to sign others of the account? */
  async #hasSecrets(): Promise<boolean> {
    const { hasMaster, hasSelfSigning } = await this.olm.crossSigningStatus()
    return hasMaster && hasSelfSigning
  }

  /** Without an identity the bot still reads and writes, if not with everybody: only a passing failure is one. */
  async #ensureIdentity(signal: AbortSignal): Promise<string | undefined> {
    try {
      return await ensureIdentity(this.#identity, signal)
    } catch (error) {
      if (error instanceof ProofNeeded) return error.message
      if (!(error instanceof MatrixError) || error.passing || error.deadToken) throw error
      return `The session of the bot is not verified: the homeserver refused to take its identity (${error.message}).`
    }
  }

  /** Another session of the account may have sent what it knows, after a person verified the two. */
  async #takeSecrets(signal: AbortSignal): Promise<void> {
    const name = 'm.megolm_backup.v1'
    let news = !this.#hasIdentity && (await this.#hasSecrets())
    for (const secret of await this.olm.getSecretsFromInbox(name)) {
      if (await this.#backup.adopt(secret, signal)) {
        this.#fresh = undefined
        news = true
      }
    }
    if (!news) return
    await this.olm.deleteSecretsFromInbox(name)
    await this.#renewIdentity(signal)
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

  #seen(): Seen {
    const { user, device, folder } = this.#deps
    return { user, device, ed25519: this.olm.identityKeys.ed25519.toBase64(), commits: commitsOf(folder) }
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

async function openMachine(deps: EncryptionDeps, library: CryptoLibrary): Promise<OlmMachine> {
  const { folder, user, device } = deps
  const { DeviceId, OlmMachine: Machine, StoreHandle, UserId } = library
  const key = await folder.key()
  indexedDb()
  placeStore(folder.store, folder.path)
  try {
    // The machine has a hold of its own on it; as long as anybody has one, the files stay open.
    using store = await StoreHandle.openWithKey(folder.store, key)
    return await Machine.initFromStore(new UserId(user), new DeviceId(device), store)
  } catch (error) {
    indexedDb().shut(folder.store)
    const reason = error instanceof Error ? error.message : String(error)
    if (/database is locked/.test(reason)) throw new FatalError(taken(deps), { cause: error })
    throw new FatalError(unreadable(deps, reason), { cause: error })
  }
}

function commitsOf(folder: CryptoFolder): number {
  return indexedDb().commits(folder.database) ?? 0
}

/** The fingerprint that the homeserver shows to others for this device; undefined where it has none yet. */
async function publishedKey(
  client: MatrixClient,
  user: string,
  device: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const body = { device_keys: { [user]: [device] } }
  const call = { method: 'POST', path: path`/keys/query`, body } as const
  const { device_keys: keys } = await client.call(call, wire.deviceKeys, signal)
  return keys[user]?.[device]?.keys[`ed25519:${device}`]
}

/** What helps in every case: the device is given up, and its keys stay where somebody can look at them. */
function newDevice({ folder }: EncryptionDeps): string {
  return `rename the folder ${folder.path} and the file credentials.json beside it, set matrix.password, and start ductor again: it logs in as a new device and takes over with the recovery key`
}

function lost(deps: EncryptionDeps): string {
  return `The encryption keys of the bot's device ${deps.device} are not in ${deps.folder.path} any more, and new ones would look like an attack to everybody. Put the folder back; or ${newDevice(deps)}.`
}

function foreign(deps: EncryptionDeps): string {
  return `The encryption keys in ${deps.folder.path} are not those that the homeserver knows of the bot's device ${deps.device}. Put the right ones back; or ${newDevice(deps)}.`
}

function outdated(deps: EncryptionDeps): string {
  return `The encryption keys in ${deps.folder.path} are an older copy: the bot's device ${deps.device} has gone on since, and going back would spoil it and its messages. Put the newest ones back; or ${newDevice(deps)}.`
}

function unreadable(deps: EncryptionDeps, reason: string): string {
  return `The encryption keys in ${deps.folder.path} cannot be opened (${reason}). Put back what was there; or ${newDevice(deps)}.`
}

function taken({ folder }: EncryptionDeps): string {
  return `Another process uses the encryption keys in ${folder.path}. Two would ruin them: end the other one, then start ductor again.`
}
