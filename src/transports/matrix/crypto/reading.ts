import { authorise, type Policy } from '../../../core/authorise.ts'
import type { Log } from '../../../core/define.ts'
import type { Memory } from '../../../core/transport.ts'
import { withoutCall, type Self } from '../addressed.ts'
import type { Chore } from '../chores.ts'
import type { MatrixConfig } from '../config.ts'
import { isPollResponse } from '../polls.ts'
import type { Rooms } from '../rooms.ts'
import { messageContent, redactedBy, type RoomEvent } from '../wire.ts'
import type { Encryption } from './encryption.ts'
import type { Opened } from './opening.ts'
import { Replays } from './replays.ts'
import { SealedEvents } from './sealed.ts'
import { Verification } from './verification.ts'

export interface ReadingDeps {
  readonly encryption: Encryption
  readonly memory: Memory
  readonly policy: Policy
  readonly rooms: Rooms
  readonly matrix: Pick<MatrixConfig['matrix'], 'choices' | 'encryption'>
  readonly self: Self
  readonly now: () => number
  readonly log: Log
}

/**
 * Makes the events of one sync readable. What it finds counts when the batch is stored: `changes` and `chores` belong
 * to it, `signs` are for the verification after it.
 */
export class Reading {
  readonly changes: Record<string, string | null> = {}
  readonly chores: Chore[] = []
  readonly signs: { readonly room: string; readonly event: RoomEvent }[] = []
  /** Where those who may talk to the bot last did. */
  readonly spoke = new Map<string, string>()
  readonly #deps: ReadingDeps
  readonly #sealed: SealedEvents
  readonly #replays: Replays

  constructor(deps: ReadingDeps) {
    this.#deps = deps
    this.#sealed = new SealedEvents(deps.memory)
    this.#replays = new Replays(deps.memory, this.changes)
  }

  /**
   * The events that can be read, in the clear; what only concerns the encryption is taken out. `wasEncrypted`: the room
   * was, before they came.
   */
  async read(
    room: string,
    events: readonly RoomEvent[],
    wasEncrypted: boolean,
    signal: AbortSignal,
  ): Promise<readonly RoomEvent[]> {
    const readable: RoomEvent[] = []
    const isNow = this.#deps.rooms.isEncrypted(room)
    let encrypted = wasEncrypted || (isNow && !events.some(turnsEncryptionOn))
    for (const event of events) {
      if (turnsEncryptionOn(event)) encrypted = true
      if (event.type === 'm.room.redaction') this.#takeBack(room, event)
      if (encrypted && this.#isForgeable(event) && !this.#mayBePlain(room, event)) continue
      const clear = await this.#clear(room, event, signal)
      if (clear !== undefined && !this.#takeOut(room, clear)) readable.push(clear)
    }
    return readable
  }

  /** Events of earlier syncs whose keys have come, by room. What still waits is named, when it is time. */
  async late(signal: AbortSignal): Promise<ReadonlyMap<string, readonly RoomEvent[]>> {
    const { encryption } = this.#deps
    this.#complain()
    const waiting = this.#sealed.rooms()
    const fresh = encryption.freshRooms ?? waiting
    const found = new Map<string, readonly RoomEvent[]>()
    for (const room of waiting.intersection(fresh)) {
      const readable: RoomEvent[] = []
      for (const { event } of this.#sealed.in(room)) {
        const opened = await encryption.open(room, event, signal)
        if (opened.is === 'keyless') continue
        Object.assign(this.changes, this.#sealed.forget(room, event.event_id))
        const clear = this.#judge(room, event, opened)
        if (clear !== undefined && !this.#takeOut(room, clear)) readable.push(clear)
      }
      found.set(room, readable)
    }
    return found
  }

  /** Names in their rooms what nobody could read for ten minutes. */
  #complain(): void {
    const { rooms, changes } = this.#sealed.overdue(this.#deps.now())
    Object.assign(this.changes, changes)
    for (const room of rooms) this.chores.push({ kind: 'tell-sealed', room })
  }

  /** What waits for its key may be taken back meanwhile. */
  #takeBack(room: string, event: RoomEvent): void {
    const target = redactedBy(event)
    if (target === undefined || !this.#mayTalk(room, event.sender)) return
    Object.assign(this.changes, this.#sealed.forget(room, target))
  }

  async #clear(room: string, event: RoomEvent, signal: AbortSignal): Promise<RoomEvent | undefined> {
    // Ours come back as well, and nobody wants to read them.
    if (event.type !== 'm.room.encrypted' || event.sender === this.#deps.self.userId) return event
    return this.#judge(room, event, await this.#deps.encryption.open(room, event, signal))
  }

  /** Speaks to the bot, and should have been encrypted: anybody on the way could have written it. */
  #isForgeable(event: RoomEvent): boolean {
    const { type, sender } = event
    if (sender === this.#deps.self.userId) return false
    // Apps ask for verifications in the clear; who stands in between is what the emoji show.
    if (Verification.concerns(event)) return false
    // No app encrypts reactions: who wants nobody to press in their name asks in polls.
    if (type === 'm.reaction') return this.#deps.matrix.choices === 'polls'
    return type === 'm.room.message' || type === 'm.sticker' || isPollResponse(type)
  }

  /** As with devices that nobody vouches for: it is read, unless that is forbidden, and the room is told once. */
  #mayBePlain(room: string, { sender: user, event_id: id, type, content }: RoomEvent): boolean {
    const { matrix, memory, now, log } = this.#deps
    const refused = matrix.encryption.trust === 'signed-devices'
    const isSilent = type === 'm.reaction' || content['msgtype'] === 'm.notice'
    if (isSilent || !this.#mayTalk(room, user)) return !refused
    log.warn({ room, event: id, user, refused }, 'a message came unencrypted into an encrypted room')
    const key = `plain:${room} ${user}`
    if (memory.recall(key) !== undefined || key in this.changes) return !refused
    this.changes[key] = String(now())
    this.chores.push({ kind: 'tell-plain', room, user, refused })
    return !refused
  }

  /** Undefined: not to be read, or not now. */
  #judge(room: string, event: RoomEvent, opened: Opened): RoomEvent | undefined {
    const { now, log } = this.#deps
    const { event_id: id, sender } = event
    switch (opened.is) {
      case 'open':
        if (this.#mayTalk(room, sender) && this.#replays.isReplay(event, now())) {
          log.warn({ room, event: id, sender }, 'a message came a second time, as another event')
          return undefined
        }
        if (opened.doubt !== undefined)
          this.#mark(room, sender, opened.doubt.device, opened.doubt.reason, false)
        return opened.event
      case 'refused':
        this.#mark(room, sender, opened.device, 'not verified by its owner', true)
        return undefined
      case 'keyless':
        log.warn({ room, event: id, sender, reason: opened.reason }, 'a message cannot be decrypted yet')
        if (this.#mayTalk(room, sender)) {
          Object.assign(this.changes, this.#sealed.keep(room, event, opened.reason, now()))
        }
        return undefined
      case 'broken':
        log.warn({ room, event: id, sender, reason: opened.reason }, 'a message can never be decrypted')
        return undefined
    }
  }

  /** The room is told once of each device whose owner does not vouch for it. */
  #mark(room: string, user: string, device: string, reason: string, refused: boolean): void {
    const { log, memory } = this.#deps
    const key = `doubt:${user} ${device}`
    const isNew = memory.recall(key) === undefined && !(key in this.changes) && this.#mayTalk(room, user)
    const fields = { room, user, device, reason, refused }
    log[isNew || refused ? 'warn' : 'debug'](fields, 'a message of a device that is not verified')
    if (!isNew) return
    this.changes[key] = String(this.#deps.now())
    this.chores.push({ kind: 'tell-doubt', room, user, device, refused })
  }

  #takeOut(room: string, event: RoomEvent): boolean {
    const { sender, event_id: id, type, content } = event
    if (sender === this.#deps.self.userId) return false
    if (this.#mayTalk(room, sender)) this.spoke.set(sender, room)
    if (Verification.concerns(event)) {
      this.signs.push({ room, event })
      return true
    }
    const words = type === 'm.room.message' ? messageContent.safeParse(content).data : undefined
    const said = words === undefined ? '' : withoutCall(words, this.#deps.self).trim()
    if (!/^[!/]verify$/i.test(said) || !this.#mayTalk(room, sender)) return false
    this.chores.push({ kind: 'verify', room, user: sender, event: id })
    return true
  }

  #mayTalk(room: string, sender: string): boolean {
    const { policy, rooms } = this.#deps
    const group = rooms.isGroup(room)
    return authorise(policy, { act: 'message', sender, chat: room, group, addressed: true }).allowed
  }
}

function turnsEncryptionOn({ type, state_key: key }: RoomEvent): boolean {
  return type === 'm.room.encryption' && key === ''
}
