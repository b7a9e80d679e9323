import type { DecryptedRoomEvent, OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import { roomEvent, type RoomEvent } from '../wire.ts'
import type { Backup } from './backup.ts'
import type { CryptoLibrary } from './library.ts'
import type { Requests } from './requests.ts'
import type { Trust } from './sealing.ts'

/**
 * What became of an encrypted event.
 * `open`: it is read; `doubt` says why its sender is not certain. `keyless`: its key may still come. `refused`: it can
 * be read, and by `matrix.encryption.trust` must not be. `broken`: nobody can read it, ever.
 */
export type Opened =
  | { readonly is: 'open'; readonly event: RoomEvent; readonly doubt?: Doubt }
  | { readonly is: 'keyless'; readonly reason: string }
  | { readonly is: 'refused'; readonly device: string }
  | { readonly is: 'broken'; readonly reason: string }

export interface Doubt {
  readonly device: string
  readonly reason: string
}

/** Enough users for any server that a bot is on; asked once in a run. */
const mostAsked = 2_000

/** Decrypts what others said in rooms. */
export class Opening {
  readonly #library: CryptoLibrary
  readonly #olm: OlmMachine
  readonly #requests: Requests
  readonly #backup: Backup
  readonly #trust: Trust
  /** Users whose devices were asked for because of a message that they sent. */
  readonly #asked = new Set<string>()

  constructor(library: CryptoLibrary, olm: OlmMachine, requests: Requests, backup: Backup, trust: Trust) {
    this.#library = library
    this.#olm = olm
    this.#requests = requests
    this.#backup = backup
    this.#trust = trust
  }

  /** Throws what the client throws only where the log-in has ended. */
  async open(room: string, event: RoomEvent, signal: AbortSignal): Promise<Opened> {
    let opened = await this.#openNow(room, event)
    if (uncertain(opened) && (await this.learnDevices(event.sender, signal))) {
      opened = await this.#openNow(room, event)
    }
    const session = event.content['session_id']
    if (opened.is !== 'keyless' || typeof session !== 'string') return opened
    if (!(await this.#backup.fetch(room, session, signal))) return opened
    return this.#openNow(room, event)
  }

  async #openNow(room: string, event: RoomEvent): Promise<Opened> {
    const { DecryptionSettings, RoomId, TrustRequirement } = this.#library
    const wanted = this.#trust === 'all-devices' ? TrustRequirement.Untrusted : TrustRequirement.CrossSigned
    try {
      const settings = new DecryptionSettings(wanted)
      return this.#understood(
        event,
        await this.#olm.decryptRoomEvent(JSON.stringify(event), new RoomId(room), settings),
      )
    } catch (error) {
      return this.#failed(event, error)
    }
  }

  #understood(outer: RoomEvent, decrypted: DecryptedRoomEvent): Opened {
    const inner = roomEvent.safeParse(JSON.parse(decrypted.event)).data
    if (inner === undefined) return { is: 'broken', reason: 'it holds no event' }
    // The homeserver judges who may take back a message or change a room, and cannot judge what it cannot read.
    if (inner.type === 'm.room.redaction' || inner.type === 'm.room.encrypted') {
      return { is: 'broken', reason: `an encrypted ${inner.type} counts for nothing` }
    }
    const { ShieldStateCode: code } = this.#library
    const shield = decrypted.shieldState(false)
    if (shield.code === code.MismatchedSender) return { is: 'broken', reason: 'sent under a false name' }
    const relation = outer.content['m.relates_to']
    const content =
      relation === undefined || inner.content['m.relates_to'] !== undefined
        ? inner.content
        : { ...inner.content, 'm.relates_to': relation }
    const { event_id, sender, origin_server_ts, unsigned } = outer
    const event = { event_id, sender, origin_server_ts, unsigned, type: inner.type, content }
    if (shield.code === undefined || shield.code === code.UnverifiedIdentity) return { is: 'open', event }
    const device = decrypted.senderDevice?.toString() ?? 'unknown'
    return { is: 'open', event, doubt: { device, reason: code[shield.code] } }
  }

  #failed(event: RoomEvent, error: unknown): Opened {
    const { DecryptionErrorCode: code, MegolmDecryptionError } = this.#library
    if (error instanceof Error && error.name === 'RuntimeError') throw error
    // Malformed beyond its own words for it.
    if (!(error instanceof MegolmDecryptionError)) return { is: 'broken', reason: 'it is malformed' }
    switch (error.code) {
      case code.MissingRoomKey:
      case code.UnknownMessageIndex:
        return { is: 'keyless', reason: error.withheldCode ?? code[error.code] }
      case code.UnknownSenderDevice:
      case code.UnsignedSenderDevice:
      case code.SenderIdentityVerificationViolation: {
        const device = event.content['device_id']
        return { is: 'refused', device: typeof device === 'string' ? device.slice(0, 100) : 'unknown' }
      }
      case code.MismatchedIdentityKeys:
      case code.UnableToDecrypt:
      case code.MismatchedSender:
        return { is: 'broken', reason: code[error.code] }
    }
  }

  /** The devices of a sender may not be known yet. True: they were asked for just now. */
  async learnDevices(user: string, signal: AbortSignal): Promise<boolean> {
    if (this.#asked.has(user) || this.#asked.size >= mostAsked) return false
    this.#asked.add(user)
    const ask = this.#olm.queryKeysForUsers([new this.#library.UserId(user)])
    await this.#olm.updateTrackedUsers([new this.#library.UserId(user)])
    await this.#requests.attempt(ask, signal)
    await this.#requests.pump(signal)
    return true
  }
}

function uncertain(opened: Opened): boolean {
  return opened.is === 'refused' || (opened.is === 'open' && opened.doubt !== undefined)
}
