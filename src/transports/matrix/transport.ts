import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Policy } from '../../core/authorise.ts'
import type { TransportDeps } from '../../core/define.ts'
import type { Attachment, Place } from '../../core/message.ts'
import {
  DeliveryError,
  FatalError,
  type Content,
  type Intake,
  type Mark,
  type MessageRef,
  type Operation,
  type Transport,
  type TransportReport,
} from '../../core/transport.ts'
import { UserError } from '../../core/user-error.ts'
import type { View } from '../../core/view.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { AllowedRooms } from './allowed-rooms.ts'
import { Chores } from './chores.ts'
import { MatrixError, NoAnswer, path, type Call } from './client.ts'
import type { MatrixConfig } from './config.ts'
import { CredentialsFile } from './credentials.ts'
import { openFile } from './crypto/sealed-files.ts'
import { CryptoSide } from './crypto/side.ts'
import { deliver } from './deliver.ts'
import { perform } from './duties.ts'
import { EarlierPosts, type LastLife } from './earlier.ts'
import { fetchFile } from './files-in.ts'
import { signIn } from './login.ts'
import { Pulse, usualTempo, type Tempo } from './pulse.ts'
import { rememberingRender } from './render.ts'
import { Rooms } from './rooms.ts'
import { Session } from './session.ts'
import { askSync, readLate, readSync } from './sync.ts'
import * as wire from './wire.ts'

const longPollMs = 30_000
/** Between two messages of progress in a chat. */
const usualPaceMs = { segments: 2_000, edits: 4_000 } as const
const longestPauseMs = 30_000
const aDay = 24 * 60 * 60 * 1000

/** Signs in to a homeserver and stays; hears what is said in the bot's rooms, and says there what it is told to. */
export class MatrixTransport implements Transport {
  readonly commandPrefixes = ['/', '!']
  readonly choices = 'typed'
  readonly dropsDoubles = true

  readonly #config: MatrixConfig
  readonly #deps: TransportDeps
  readonly #file: CredentialsFile
  readonly #allowedRooms: AllowedRooms
  readonly #chores: Chores
  readonly #earlier: EarlierPosts
  readonly #pulse: Pulse
  /** Ends the sync that is under way, so that another one begins. */
  #round = new AbortController()
  readonly #render: ReturnType<typeof rememberingRender>
  readonly #ownerRoom: AllowedRooms
  readonly #crypto: CryptoSide
  #rooms: Rooms
  /** What a batch that is about to be stored tells of the rooms: it is judged by that. */
  #draft: Rooms | undefined
  #session: Session | undefined
  #reported: TransportReport | undefined
  /** Since the homeserver last answered as it should. */
  #failures = 0

  constructor(config: MatrixConfig, deps: TransportDeps, tempo: Tempo = usualTempo) {
    const { matrix } = config
    const owner = { homeserver: matrix.homeserver, userId: matrix.user_id }
    this.#config = config
    this.#deps = deps
    this.#file = new CredentialsFile(join(deps.home, matrix.store_path), owner, deps.log)
    this.#allowedRooms = new AllowedRooms(matrix.allowed_rooms, deps.memory, deps.log)
    this.#ownerRoom = new AllowedRooms(
      matrix.owner_room === undefined ? [] : [matrix.owner_room],
      deps.memory,
      deps.log,
    )
    this.#chores = new Chores(deps.memory, deps.log)
    this.#render = rememberingRender(matrix)
    this.#earlier = new EarlierPosts()
    this.#pulse = new Pulse(tempo)
    this.#rooms = Rooms.recall(deps.memory)
    const { home, memory, log, env = {} } = deps
    this.#crypto = new CryptoSide({
      home,
      matrix,
      env,
      memory,
      log,
      policy: () => this.policy,
      isEncrypted: (room) => this.#rooms.facts(room).encrypted,
    })
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

  /** Those that are listed, and those in which they go on. */
  #listedRooms(): Policy['rooms'] {
    const { rooms } = this.#allowedRooms
    return rooms === 'everywhere' ? rooms : (this.#draft ?? this.#rooms).withSuccessors(rooms)
  }

  async listen(intake: Intake, signal: AbortSignal): Promise<void> {
    this.#crypto.leave()
    while (!signal.aborted) {
      try {
        this.#report('connecting')
        const session = await this.#signIn(signal)
        this.#session = session
        await this.#stay(session, intake, signal)
      } catch (error) {
        if (signal.aborted) break
        if (error instanceof FatalError) this.#report('failed', error.message)
        else await this.#rest(error, signal)
        if (error instanceof FatalError) throw error
      }
    }
    this.#report('stopped')
  }

  async #signIn(signal: AbortSignal): Promise<Session> {
    const { log } = this.#deps
    const resting = (ms: number): void => {
      const seconds = Math.ceil(ms / 1000)
      this.#report('failed', `The homeserver asks to wait ${seconds} s before the next log-in.`)
    }
    const { matrix } = this.#config
    const asking = (text: string): void => this.#report('failed', text)
    const signedIn = await signIn({ matrix, file: this.#file, log, resting, asking }, signal)
    await this.#crypto.enter(signedIn.client, signedIn.userId, signedIn.deviceId, signal)
    const session = await Session.open(signedIn, this.#crypto, signal)
    await this.#allowedRooms.resolve(session.client, signal)
    await this.#ownerRoom.resolve(session.client, signal)
    this.#earlier.begin(session.device, this.#lastLife())
    return session
  }

  /** Hears until the log-in ends; then it throws the refusal. Meanwhile it does what is to be done. */
  async #stay(session: Session, intake: Intake, signal: AbortSignal): Promise<void> {
    const leaving = new AbortController()
    const staying = AbortSignal.any([signal, leaving.signal])
    const duties = this.#doDuties(session, staying)
    const pulse = this.#pulse.run(session.client, session.self.userId, () => this.#listenAnew(), staying)
    try {
      await this.#hear(session, intake, AbortSignal.any([signal, session.ended]))
    } catch (error) {
      if (!(error instanceof MatrixError && error.deadToken)) throw error
      this.#session = undefined
      // A second password log-in would only be the beginning of a loop, and the end of the homeserver's patience.
      if (session.fresh) throw refusedAtOnce(error)
      throw error
    } finally {
      leaving.abort()
      await Promise.all([duties, pulse])
    }
  }

  async #doDuties(session: Session, signal: AbortSignal): Promise<void> {
    const { memory, log } = this.#deps
    const deps = {
      client: session.client,
      crypto: this.#crypto,
      budget: session.budget,
      memory,
      log,
      allowedRooms: this.#allowedRooms,
      policy: () => this.policy,
      isInvited: (room: string) => this.#rooms.facts(room).membership === 'invite',
    }
    await this.#chores.run((chore, until) => perform(chore, deps, until), signal)
  }

  async #hear(session: Session, intake: Intake, signal: AbortSignal): Promise<never> {
    let resolvedAt = Date.now()
    // The first answer comes at once: it shows that all is well.
    let waitMs = 0
    for (;;) {
      try {
        await this.#syncOnce(session, intake, waitMs, signal)
        this.#failures = 0
        session.fresh = false
        if (this.#pulse.missed < 2) {
          this.#deps.heard()
          this.#report('connected', this.#advice())
        }
        waitMs = longPollMs
        if (Date.now() - resolvedAt > aDay) {
          resolvedAt = Date.now()
          await this.#allowedRooms.resolve(session.client, signal)
        }
      } catch (error) {
        signal.throwIfAborted()
        if (this.#round.signal.aborted) {
          this.#round = new AbortController()
          waitMs = 0
          continue
        }
        if (error instanceof MatrixError && error.deadToken) throw error
        await this.#rest(error, signal)
        signal.throwIfAborted()
        waitMs = 0
      }
    }
  }

  /** Nothing comes through to the bot: another connection often helps, and if it does not, a person has to. */
  #listenAnew(): void {
    const { missed } = this.#pulse
    this.#deps.log.warn({ missed }, 'what the bot wrote to itself did not come back: listening anew')
    if (missed > 1) this.#report('failed', deaf)
    this.#round.abort()
  }

  async #syncOnce(session: Session, intake: Intake, waitMs: number, signal: AbortSignal): Promise<void> {
    const { client, self, authors } = session
    const since = this.#since(intake, self.userId)
    if (since === undefined) await this.#crypto.encryption.forgetDeviceLists()
    const round = AbortSignal.any([signal, this.#round.signal])
    const answer = await askSync(client, since, waitMs, round).catch((error: unknown) => {
      if (since !== undefined && isUnknownPlace(error)) {
        const { message } = error
        this.#deps.log.error(
          { reason: message },
          'the homeserver has lost our place in the stream: beginning anew',
        )
        intake.remember({ since: null })
      }
      throw error
    })
    this.#pulse.feel(answer)
    // The homeserver forgets the keys in it when it is asked for the next one.
    await this.#crypto.receive(answer)
    const rooms = this.#rooms.draft()
    this.#draft = undefined
    const { threads } = this.#config.matrix
    const reading = this.#crypto.reading(rooms, self.userId)
    const deps = { client, self, authors, reading, rooms, log: this.#deps.log, threads }
    const late = await readLate(await reading.late(signal), deps, signal)
    const { inbounds, chores: found } = await readSync(answer, since, deps, signal)
    const chores = [...found, ...reading.chores]
    this.#draft = rooms
    await intake.take([...late, ...inbounds], {
      ...rooms.changes,
      ...reading.changes,
      ...this.#chores.pairs(chores),
      ...this.#crypto.encryption.mark,
      since: JSON.stringify({
        user: self.userId,
        token: answer.next_batch,
        device: session.device,
        at: Date.now(),
      }),
    })
    this.#rooms = rooms
    this.#draft = undefined
    if (chores.length > 0) this.#chores.add(chores)
    await this.#crypto.settle(answer, reading, signal)
  }

  /** Where the last batch ended. Another account has another stream. */
  #since(intake: Intake, userId: string): string | undefined {
    const kept = intake.recall('since')
    if (kept === undefined) return undefined
    const { user, token } = sinceSchema.parse(JSON.parse(kept))
    return user === userId ? token : undefined
  }

  /** Up to when the bot has certainly lived, as which device. */
  #lastLife(): LastLife | undefined {
    const kept = this.#deps.memory.recall('since')
    const { device, at } = kept === undefined ? {} : sinceSchema.parse(JSON.parse(kept))
    return at === undefined ? undefined : { device, at }
  }

  /** Waits after a failure, longer each time, and says so. Throws what is no failure of the network. */
  async #rest(error: unknown, signal: AbortSignal): Promise<void> {
    if (!(error instanceof MatrixError || error instanceof NoAnswer)) throw error
    this.#failures += 1
    const asked = error instanceof MatrixError ? error.retryAfterMs : undefined
    const ms = asked ?? backoffMs(this.#failures, { firstMs: 500, longestMs: longestPauseMs })
    this.#deps.log.warn({ reason: error.message, againInMs: ms }, 'Matrix is not reachable')
    this.#report('failed', error.message)
    try {
      await sleep(ms, undefined, { signal })
    } catch {
      // The pause was cut short: the loop around it looks why.
    }
  }

  /** What a person should know though all goes well. */
  #advice(): string | undefined {
    const advice = [this.#unresolved(), this.#crypto.wanted].filter((one) => one !== undefined)
    return advice.length === 0 ? undefined : advice.join(' ')
  }

  #unresolved(): string | undefined {
    const aliases = this.#allowedRooms.unresolved
    if (aliases.length === 0) return undefined
    return `These aliases of matrix.allowed_rooms are no rooms: ${aliases.join(', ')}.`
  }

  #report(state: TransportReport['state'], detail?: string): void {
    const account = this.#session?.self.userId ?? this.#config.matrix.user_id
    const report = { state, account, ...(detail === undefined ? {} : { detail }) }
    // "Connecting" is for those who never heard of us; who failed has failed until it is connected.
    if (state === 'connecting' && this.#reported?.state === 'failed') return
    if (isDeepStrictEqual(report, this.#reported)) return
    this.#reported = report
    this.#deps.report(report)
  }

  render(view: View): readonly Content[] {
    return this.#render(view)
  }

  async deliver(operation: Operation, signal: AbortSignal): Promise<MessageRef> {
    const session = this.#session
    if (session === undefined) throw new DeliveryError('unreachable', 'not signed in to the homeserver')
    const { memory, log } = this.#deps
    const deps = {
      voice: session,
      budget: session.budget,
      self: session.self.userId,
      rooms: this.#rooms,
      earlier: this.#earlier,
      files: session.files,
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
    return (this.#session?.budget.paceMs ?? usualPaceMs[this.#config.matrix.streaming]) * Math.max(1, streams)
  }

  async fetch(attachment: Attachment, _place: Place, signal: AbortSignal): Promise<Attachment> {
    const session = this.#session
    if (session === undefined) throw new UserError('The homeserver cannot be reached right now.')
    const folder = join(this.#deps.home, 'workspace', 'matrix_files')
    const maxBytes = this.#config.matrix.max_file_mb * 1024 * 1024
    return fetchFile(attachment, { client: session.client, folder, maxBytes, openFile }, signal)
  }

  /** The room that is configured for it, or the direct chat with the first who may talk to the bot. */
  ownerPlace(): Place | undefined {
    const { owner_room: wanted, allowed_users: users } = this.#config.matrix
    const rooms = this.#rooms
    if (wanted !== undefined) {
      const [room] = this.#ownerRoom.rooms
      return room !== undefined && rooms.facts(room).membership === 'join' ? rooms.place(room) : undefined
    }
    const direct = users.map((user) => rooms.directWith(user)).find((room) => room !== undefined)
    return direct === undefined ? undefined : rooms.place(direct)
  }

  async typing({ chat }: Place, on: boolean): Promise<void> {
    const self = this.#session?.self.userId ?? ''
    const body = on ? { typing: true, timeout: 30_000 } : { typing: false }
    await this.#courtesy({ method: 'PUT', path: path`/rooms/${chat}/typing/${self}`, body })
  }

  async mark({ chat, thread }: Place, messageId: string, mark: Mark): Promise<void> {
    if (mark !== 'seen') return
    const body = this.#config.matrix.threads ? { thread_id: thread ?? 'main' } : {}
    await this.#courtesy({ method: 'POST', path: path`/rooms/${chat}/receipt/m.read/${messageId}`, body })
  }

  /** Something that nobody misses when it fails. */
  async #courtesy(call: Call): Promise<void> {
    try {
      await this.#session?.client.call(
        { ...call, timeoutMs: 10_000 },
        wire.done,
        new AbortController().signal,
      )
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#deps.log.debug({ reason }, 'a courtesy on Matrix failed')
    }
  }
}

const deaf =
  'The homeserver answers, but brings nothing: what the bot wrote to itself did not come back. Look at the log of the homeserver (its sync workers), or restart it. ductor keeps trying.'

const sinceSchema = z.object({
  user: z.string(),
  token: z.string(),
  device: z.string().optional(),
  at: z.number().optional(),
})

/** Synapse calls a token that it does not know `M_UNKNOWN`, others `M_UNKNOWN_POS` or `M_INVALID_PARAM`. */
function isUnknownPlace(error: unknown): error is MatrixError {
  const codes = ['M_UNKNOWN', 'M_UNKNOWN_POS', 'M_INVALID_PARAM']
  return error instanceof MatrixError && error.status === 400 && codes.includes(error.code)
}

function refusedAtOnce(cause: MatrixError): FatalError {
  return new FatalError(
    'The homeserver refuses the log-in that it gave a moment ago. Look at the log of the homeserver, then start ductor again.',
    { cause },
  )
}
