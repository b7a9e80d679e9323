import type { Policy } from '../../core/authorise.ts'
import type { Log } from '../../core/define.ts'
import { FatalError, type Intake, type Memory } from '../../core/transport.ts'
import type { AllowedRooms } from './allowed-rooms.ts'
import type { Chores } from './chores.ts'
import { MatrixError } from './client.ts'
import type { Condition } from './condition.ts'
import type { MatrixConfig } from './config.ts'
import type { CredentialsFile } from './credentials.ts'
import type { CryptoSide } from './crypto/side.ts'
import { perform } from './duties.ts'
import type { EarlierPosts } from './earlier.ts'
import type { Listener } from './listener.ts'
import { signIn } from './login.ts'
import { Session } from './session.ts'
import { lastLife } from './stream-place.ts'

export interface LifeDeps {
  readonly matrix: MatrixConfig['matrix']
  readonly memory: Memory
  readonly log: Log
  readonly file: CredentialsFile
  readonly condition: Condition
  readonly crypto: CryptoSide
  readonly chores: Chores
  readonly listener: Listener
  readonly allowedRooms: AllowedRooms
  readonly ownerRoom: AllowedRooms
  readonly earlier: EarlierPosts
  readonly policy: () => Policy
}

/** One log-in after the other: signs in, hears, does what is to be done meanwhile, and signs in again. */
export class Life {
  readonly #deps: LifeDeps
  #session: Session | undefined

  constructor(deps: LifeDeps) {
    this.#deps = deps
  }

  /** The log-in of now; undefined: there is none. */
  get session(): Session | undefined {
    return this.#session
  }

  /** Goes on until `signal` is aborted. Throws `FatalError` where only a person can help. */
  async run(intake: Intake, signal: AbortSignal): Promise<void> {
    const { condition, crypto } = this.#deps
    crypto.leave()
    while (!signal.aborted) {
      try {
        condition.report('connecting')
        const session = await this.#signIn(signal)
        this.#session = session
        await this.#stay(session, intake, signal)
      } catch (error) {
        if (signal.aborted) break
        if (error instanceof FatalError) condition.report('failed', error.message)
        else await condition.rest(error, signal)
        if (error instanceof FatalError) throw error
      }
    }
    condition.report('stopped')
  }

  async #signIn(signal: AbortSignal): Promise<Session> {
    const { matrix, file, log, memory, condition, crypto, allowedRooms, ownerRoom, earlier } = this.#deps
    const resting = (ms: number): void => {
      const seconds = Math.ceil(ms / 1000)
      condition.report('failed', `The homeserver asks to wait ${seconds} s before the next log-in.`)
    }
    const asking = (text: string): void => condition.report('failed', text)
    const signedIn = await signIn({ matrix, file, log, resting, asking }, signal)
    await crypto.enter(signedIn.client, signedIn.userId, signedIn.deviceId, signal)
    const session = await Session.open(signedIn, crypto, signal)
    await allowedRooms.resolve(session.client, signal)
    await ownerRoom.resolve(session.client, signal)
    earlier.begin(session.device, lastLife(memory))
    condition.signedIn(session.self.userId)
    return session
  }

  /** Hears until the log-in ends; then it throws the refusal. Meanwhile it does what is to be done. */
  async #stay(session: Session, intake: Intake, signal: AbortSignal): Promise<void> {
    const { listener } = this.#deps
    const leaving = new AbortController()
    const staying = AbortSignal.any([signal, leaving.signal])
    const duties = this.#doDuties(session, staying)
    const pulse = listener.feelPulse(session, staying)
    try {
      await listener.hear(session, intake, AbortSignal.any([signal, session.ended]))
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
    const { memory, log, crypto, allowedRooms, policy, chores, listener } = this.#deps
    const deps = {
      client: session.client,
      self: session.self.userId,
      crypto,
      budget: session.budget,
      memory,
      log,
      allowedRooms,
      policy,
      isInvited: (room: string) => listener.rooms.facts(room).membership === 'invite',
      closedFor: (room: string) => listener.rooms.closedFor(room),
    }
    await chores.run((chore, until) => perform(chore, deps, until), signal)
  }
}

function refusedAtOnce(cause: MatrixError): FatalError {
  return new FatalError(
    'The homeserver refuses the log-in that it gave a moment ago. Look at the log of the homeserver, then start ductor again.',
    { cause },
  )
}
