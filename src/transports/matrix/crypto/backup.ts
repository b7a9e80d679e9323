import type { OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import { z } from 'zod'
import type { Log } from '../../../core/define.ts'
import { MatrixError, path, type MatrixClient } from '../client.ts'
import type { CryptoLibrary } from './library.ts'
import type { Requests } from './requests.ts'
import * as wire from './wire.ts'

const algorithm = 'm.megolm_backup.v1.curve25519-aes-sha2'

/** Room keys that were not found there; forgotten when the list is full, or when a new key makes it worth another look. */
const mostMissed = 1_000

const roomKey = z.record(z.string(), z.unknown())

/** The room keys on the homeserver, for a new device of the bot. Encrypted for whoever has the backup's key. */
export class Backup {
  readonly #library: CryptoLibrary
  readonly #olm: OlmMachine
  readonly #requests: Requests
  readonly #client: () => MatrixClient
  readonly #log: Log
  readonly #missed = new Set<string>()
  #uploading: Promise<void> | undefined

  constructor(
    library: CryptoLibrary,
    olm: OlmMachine,
    requests: Requests,
    client: () => MatrixClient,
    log: Log,
  ) {
    this.#library = library
    this.#olm = olm
    this.#requests = requests
    this.#client = client
    this.#log = log
  }

  /** Goes on with the backup that this device was using. */
  async resume(): Promise<void> {
    const { decryptionKey, backupVersion } = await this.#olm.getBackupKeys()
    if (decryptionKey === undefined || backupVersion === undefined) return
    await this.#olm.enableBackupV1(decryptionKey.megolmV1PublicKey.publicKeyBase64, backupVersion)
  }

  /** The backup's key, where this device has it. */
  async key(): Promise<string | undefined> {
    return (await this.#olm.getBackupKeys()).decryptionKeyBase64
  }

  /** The public key of the backup that the homeserver has; undefined where it has none. */
  async onServer(signal: AbortSignal): Promise<{ version: string; publicKey: string } | undefined> {
    try {
      const call = { method: 'GET', path: path`/room_keys/version` } as const
      const found = await this.#client().call(call, wire.backupVersion, signal)
      return { version: found.version, publicKey: found.auth_data.public_key }
    } catch (error) {
      if (error instanceof MatrixError && error.status === 404) return undefined
      throw error
    }
  }

  /** Makes a backup with a new key, signed by this device. `keep` puts the key in safety, before anything needs it. */
  async create(keep: (secret: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    const key = this.#library.BackupDecryptionKey.createRandomKey()
    await keep(key.toBase64())
    const { publicKeyBase64: publicKey } = key.megolmV1PublicKey
    const signatures = await this.#olm.sign(JSON.stringify({ public_key: publicKey }))
    const signed = { public_key: publicKey, signatures: roomKey.parse(JSON.parse(signatures.asJSON())) }
    const body = { algorithm, auth_data: signed }
    const call = { method: 'POST', path: path`/room_keys/version`, body } as const
    const { version } = await this.#client().call(call, wire.newBackup, signal)
    await this.#olm.saveBackupDecryptionKey(key, version)
    await this.#olm.enableBackupV1(publicKey, version)
  }

  /** Uses the backup that is there, with its key. False: the key is not the key of this backup. */
  async adopt(secret: string, signal: AbortSignal): Promise<boolean> {
    const found = await this.onServer(signal)
    const key = this.#library.BackupDecryptionKey.fromBase64(secret)
    if (found === undefined || key.megolmV1PublicKey.publicKeyBase64 !== found.publicKey) return false
    await this.#olm.saveBackupDecryptionKey(key, found.version)
    await this.#olm.enableBackupV1(found.publicKey, found.version)
    this.#missed.clear()
    return true
  }

  /** Uploads what is not there yet; one at a time, and what fails is taken up by the next call. */
  upload(signal: AbortSignal): Promise<void> {
    this.#uploading ??= this.#upload(signal).finally(() => {
      this.#uploading = undefined
    })
    return this.#uploading
  }

  async #upload(signal: AbortSignal): Promise<void> {
    while (await this.#olm.isBackupEnabled()) {
      const request = await this.#olm.backupRoomKeys()
      if (request === undefined) return
      try {
        await this.#requests.send(request, signal)
      } catch (error) {
        if (!(error instanceof MatrixError) || error.code !== 'M_WRONG_ROOM_KEYS_VERSION') throw error
        this.#log.error({}, 'another client has replaced the backup of the room keys: no more keys go there')
        await this.#olm.disableBackup()
      }
    }
  }

  /** Takes one room key from the backup. False: it is not there, or not to be had now. */
  async fetch(room: string, session: string, signal: AbortSignal): Promise<boolean> {
    const { decryptionKey: key, backupVersion: version } = await this.#olm.getBackupKeys()
    const name = `${room} ${session}`
    if (key === undefined || version === undefined || this.#missed.has(name)) return false
    try {
      const where = path`/room_keys/keys/${room}/${session}`
      const call = { method: 'GET', path: where, query: { version } } as const
      const { session_data: data } = await this.#client().call(call, wire.backedUpKey, signal)
      const plain = roomKey.parse(JSON.parse(key.decryptV1(data.ephemeral, data.mac, data.ciphertext)))
      const keys = new Map([[new this.#library.RoomId(room), new Map([[session, plain]])]])
      await this.#olm.importBackedUpRoomKeys(keys, () => {}, version)
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof MatrixError && error.deadToken) throw error
      this.#miss(name)
      const absent = error instanceof MatrixError && error.status === 404
      if (!absent)
        this.#log.warn({ room, reason: reasonOf(error) }, 'a room key cannot be taken from the backup')
      return false
    }
  }

  #miss(name: string): void {
    if (this.#missed.size >= mostMissed) this.#missed.clear()
    this.#missed.add(name)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
