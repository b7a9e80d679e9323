import type { Log } from '../../core/define.ts'
import type { Intake, Memory } from '../../core/transport.ts'
import type { AllowedRooms } from './allowed-rooms.ts'
import type { Chores } from './chores.ts'
import { MatrixError } from './client.ts'
import type { Condition } from './condition.ts'
import type { CryptoSide } from './crypto/side.ts'
import { Pulse, type Tempo } from './pulse.ts'
import { Rooms } from './rooms.ts'
import type { Session } from './session.ts'
import { isUnknownPlace, lastHeardAt, lostPlacePair, placePair, recallPlace } from './stream-place.ts'
import { askSync, readLate, readSync } from './sync.ts'
import type { SyncAnswer } from './wire.ts'

const longPollMs = 30_000

export interface ListenerDeps {
  readonly memory: Memory
  readonly log: Log
  readonly condition: Condition
  readonly crypto: CryptoSide
  readonly chores: Chores
  readonly allowedRooms: AllowedRooms
  readonly ownerRoom: AllowedRooms
  readonly threads: boolean
  readonly tempo: Tempo
  /** A proof of life. */
  readonly heard: () => void
}

/** Hears one sync after the other, and knows the rooms by them. */
export class Listener {
  readonly #deps: ListenerDeps
  readonly #pulse: Pulse
  /** Ends the sync that is under way, so that another one begins. */
  #round = new AbortController()
  /** How many syncs in a row the homeserver itself failed at. */
  #broken = 0
  #rooms: Rooms
  #syncs = 0
  /** What a batch that is about to be stored tells of the rooms: it is judged by that. */
  #draft: Rooms | undefined

  constructor(deps: ListenerDeps) {
    this.#deps = deps
    this.#pulse = new Pulse(deps.tempo)
    this.#rooms = Rooms.recall(deps.memory)
  }

  /** As far as it is stored. */
  get rooms(): Rooms {
    return this.#rooms
  }

  /** How many were stored. */
  get syncs(): number {
    return this.#syncs
  }

  /** Those of these rooms, and those in which they go on. */
  withSuccessors(rooms: Iterable<string>): ReadonlySet<string> {
    return (this.#draft ?? this.#rooms).withSuccessors(rooms)
  }

  /** Finds out whether the bot still hears, and listens anew where it does not, until `signal` is aborted. */
  feelPulse({ client, self }: Session, signal: AbortSignal): Promise<void> {
    return this.#pulse.run(client, self.userId, () => this.#listenAnew(), signal)
  }

  /** Goes on until `signal` is aborted or the log-in ends; then it throws the refusal. */
  async hear(session: Session, intake: Intake, signal: AbortSignal): Promise<never> {
    const { condition, allowedRooms, ownerRoom, tempo } = this.#deps
    let resolvedAt = Date.now()
    // The first answer comes at once: it shows that all is well.
    let waitMs = 0
    for (;;) {
      try {
        await this.#syncOnce(session, intake, waitMs, signal)
        session.fresh = false
        this.#tellWell()
        waitMs = Math.min(longPollMs, this.#deps.crypto.dueInMs ?? longPollMs)
        if (Date.now() - resolvedAt > tempo.aliasesMs) {
          resolvedAt = Date.now()
          await allowedRooms.resolve(session.client, signal)
          await ownerRoom.resolve(session.client, signal)
        }
      } catch (error) {
        signal.throwIfAborted()
        waitMs = 0
        if (this.#round.signal.aborted) {
          this.#round = new AbortController()
          continue
        }
        if (error instanceof MatrixError && error.deadToken) throw error
        await condition.rest(error, signal)
        signal.throwIfAborted()
      }
    }
  }

  #tellWell(): void {
    const { condition, heard } = this.#deps
    condition.answered()
    if (this.#pulse.missed > 1) return
    heard()
    condition.report('connected', this.#advice())
  }

  /** Nothing comes through to the bot: another connection often helps, and if it does not, a person has to. */
  #listenAnew(): void {
    const { missed } = this.#pulse
    this.#deps.log.warn({ missed }, 'what the bot wrote to itself did not come back: listening anew')
    if (missed > 1) this.#deps.condition.report('failed', deaf)
    this.#round.abort()
  }

  async #syncOnce(session: Session, intake: Intake, waitMs: number, signal: AbortSignal): Promise<void> {
    const { crypto, chores: list, log, threads } = this.#deps
    const { client, self, authors, device } = session
    const since = recallPlace(intake, self.userId)
    if (since === undefined) await crypto.encryption.forgetDeviceLists()
    const missedFrom = since === undefined ? lastHeardAt(intake, self.userId) : undefined
    const place = { since, lost: missedFrom !== undefined }
    const answer = await this.#ask(session, place, intake, waitMs, signal)
    this.#pulse.feel(answer)
    // The homeserver forgets the keys in it when it is asked for the next one.
    await crypto.receive(answer, signal)
    const rooms = this.#rooms.draft()
    this.#draft = undefined
    const reading = crypto.reading(rooms, self)
    const deps = { client, self, authors, reading, rooms, log, threads, missedFrom }
    const late = await readLate(await reading.late(signal), deps, signal)
    const { inbounds, chores: found } = await readSync(answer, since, deps, signal)
    const chores = [...found, ...reading.chores]
    this.#draft = rooms
    await intake.take([...late, ...inbounds], {
      ...rooms.changes,
      ...reading.changes,
      ...list.pairs(chores),
      ...crypto.encryption.mark,
      ...placePair(self.userId, device, answer.next_batch),
    })
    this.#rooms = rooms
    this.#draft = undefined
    this.#syncs += 1
    if (chores.length > 0) list.add(chores)
    await crypto.settle(answer, reading, signal)
  }

  async #ask(
    { client }: Session,
    place: { readonly since: string | undefined; readonly lost: boolean },
    intake: Intake,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<SyncAnswer> {
    try {
      const answer = await askSync(client, place, waitMs, AbortSignal.any([signal, this.#round.signal]))
      this.#broken = 0
      return answer
    } catch (error) {
      if (place.since !== undefined && (isUnknownPlace(error) || this.#isBroken(error))) {
        const reason = error instanceof Error ? error.message : String(error)
        this.#deps.log.error({ reason }, 'the homeserver has lost our place in the stream: beginning anew')
        intake.remember(lostPlacePair(intake))
        this.#broken = 0
      }
      throw error
    }
  }

  /** A homeserver may fail at one place in the stream for ever, while it is well otherwise. */
  #isBroken(error: unknown): boolean {
    if (error instanceof MatrixError && error.status >= 500) this.#broken += 1
    return this.#broken >= this.#deps.tempo.brokenSyncs
  }

  /** What a person should know though all goes well. */
  #advice(): string | undefined {
    const advice = [this.#unresolved(), this.#deps.crypto.wanted].filter((one) => one !== undefined)
    return advice.length === 0 ? undefined : advice.join(' ')
  }

  #unresolved(): string | undefined {
    const aliases = this.#deps.allowedRooms.unresolved
    if (aliases.length === 0) return undefined
    return `These aliases of matrix.allowed_rooms are no rooms: ${aliases.join(', ')}.`
  }
}

const deaf =
  'The homeserver answers, but brings nothing: what the bot wrote to itself did not come back. Look at the log of the homeserver (its sync workers), or restart it. ductor keeps trying.'
