import type { OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import { z } from 'zod'
import { NoAnswer } from '../client.ts'
import type { CryptoLibrary } from './library.ts'
import type { Audience, Members } from './members.ts'
import type { Requests } from './requests.ts'

export type Trust = 'all-devices' | 'signed-devices'

const content = z.record(z.string(), z.unknown())

/** A server may not ask for a new key at every message, nor for the same one for years. */
const shortestRotation = { ms: 3_600_000, messages: 10 }
const usualRotation = { ms: 7 * 24 * 3_600_000, messages: 100 }

export interface SealingDeps {
  readonly library: CryptoLibrary
  readonly olm: OlmMachine
  readonly requests: Requests
  readonly members: Members
  readonly trust: Trust
  /** Resolves when all that the machine has stored is on the disk: a key that was used must not be used again. */
  readonly onDisk: () => Promise<void>
}

/** Encrypts what is said in rooms. */
export class Sealing {
  readonly #deps: SealingDeps
  /** The end of the line in each room: a key is shared and used in one go. */
  readonly #lines = new Map<string, Promise<unknown>>()

  constructor(deps: SealingDeps) {
    this.#deps = deps
  }

  /** The content of an `m.room.encrypted`. When it resolves, everybody's devices have been sent the key for it. */
  async seal(
    room: string,
    type: string,
    clear: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const before = this.#lines.get(room) ?? Promise.resolve()
    const own = before.then(() => this.#sealNow(room, type, clear, signal))
    const end = own.catch(() => {
      // Whoever asked for it sees it; the next one does not wait for its success.
    })
    this.#lines.set(room, end)
    try {
      return await own
    } finally {
      if (this.#lines.get(room) === end) this.#lines.delete(room)
    }
  }

  async #sealNow(
    room: string,
    type: string,
    clear: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { library, olm, requests, members, onDisk } = this.#deps
    const { RoomId, UserId } = library
    const audience = await members.audience(room, signal)
    // What is given to the library is gone: it wants new ones at each call.
    const users = () => audience.users.map((user) => new UserId(user))
    await olm.updateTrackedUsers(users())
    await requests.pump(signal)
    const claim = await olm.getMissingSessions(users())
    if (claim !== undefined && claim !== null) await requests.send(claim, signal)
    const shares = await olm
      .shareRoomKey(new RoomId(room), users(), this.#settings(audience))
      .catch((error: unknown) => this.#unshared(error))
    for (const share of shares) await requests.send(share, signal)
    const sealed = await olm.encryptRoomEvent(new RoomId(room), type, JSON.stringify(clear))
    await onDisk()
    return content.parse(JSON.parse(sealed))
  }

  /** With keys for signed devices alone, the bot's own has to be one: until it is, its words wait. */
  #unshared(error: unknown): never {
    if (this.#deps.trust === 'all-devices') throw error
    throw new NoAnswer(`a key cannot be shared with signed devices alone (${String(error)})`, {
      cause: error,
    })
  }

  #settings({ rotationMs = usualRotation.ms, rotationMessages = usualRotation.messages }: Audience) {
    const { CollectStrategy, EncryptionSettings } = this.#deps.library
    const settings = new EncryptionSettings()
    const ms = Math.min(Math.max(rotationMs, shortestRotation.ms), usualRotation.ms)
    settings.rotationPeriod = BigInt(Math.trunc(ms)) * 1000n
    const messages = Math.min(Math.max(rotationMessages, shortestRotation.messages), 1_000)
    settings.rotationPeriodMessages = BigInt(Math.trunc(messages))
    settings.sharingStrategy =
      this.#deps.trust === 'all-devices'
        ? CollectStrategy.allDevices()
        : CollectStrategy.identityBasedStrategy()
    return settings
  }
}
