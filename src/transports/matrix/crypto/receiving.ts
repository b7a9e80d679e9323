import type { OlmMachine } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import type { SyncAnswer } from '../wire.ts'
import { indexedDb } from './indexeddb/install.ts'
import type { CryptoLibrary } from './library.ts'
import type { Opening } from './opening.ts'
import * as wire from './wire.ts'

export interface ReceivingDeps {
  readonly library: CryptoLibrary
  readonly olm: OlmMachine
  readonly opening: Opening
  /** The name of the database that holds the keys. */
  readonly database: string
  readonly log: Log
}

/** What syncs bring for the device itself: keys above all. */
export class Receiving {
  readonly #deps: ReceivingDeps
  #fresh: Set<string> | undefined

  constructor(deps: ReceivingDeps) {
    this.#deps = deps
  }

  /** Rooms for which keys have come since they were all used; undefined: any room, for a whole backup may be there. */
  get freshRooms(): ReadonlySet<string> | undefined {
    return this.#fresh
  }

  /** What came was used. */
  used(): void {
    this.#fresh = new Set()
  }

  /** Keys for any room may be there now. */
  anyRoom(): void {
    this.#fresh = undefined
  }

  /** The keys in it are on the disk when it resolves. Resolves with what was said from device to device. */
  async receive(answer: SyncAnswer, signal: AbortSignal): Promise<readonly wire.ToDeviceEvent[]> {
    await this.#learnDevices(answer, signal)
    const events = await this.#take(answer)
    const { Decrypted, PlainText, UnableToDecrypt } = this.#deps.library.ProcessedToDeviceEventType
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
  }

  /** The library does not listen to devices that it does not know. */
  async #learnDevices(answer: SyncAnswer, signal: AbortSignal): Promise<void> {
    for (const event of answer.to_device.events) {
      const { type, sender } = wire.toDeviceEvent.safeParse(event).data ?? {}
      if (type === 'm.key.verification.request' && sender !== undefined) {
        await this.#deps.opening.learnDevices(sender, signal)
      }
    }
  }

  #take(answer: SyncAnswer): ReturnType<OlmMachine['receiveSyncChanges']> {
    const { library, olm, database } = this.#deps
    const { DecryptionSettings, DeviceLists, TrustRequirement, UserId } = library
    const users = (ids: readonly string[]) => ids.map((id) => new UserId(id))
    const lists = new DeviceLists(users(answer.device_lists.changed), users(answer.device_lists.left))
    const counts = new Map(Object.entries(answer.device_one_time_keys_count))
    const fallback = answer.device_unused_fallback_key_types
    // The library forgets the one-time key first and stores what it has decrypted second: a crash between the two
    // would lose the message for ever.
    return indexedDb().together(database, () =>
      olm.receiveSyncChanges(
        JSON.stringify(answer.to_device.events),
        lists,
        counts,
        fallback === undefined ? undefined : new Set(fallback),
        new DecryptionSettings(TrustRequirement.Untrusted),
      ),
    )
  }
}
