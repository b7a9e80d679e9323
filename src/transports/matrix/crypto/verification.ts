import type { Sas, VerificationRequest } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import { MatrixError } from '../client.ts'
import type { RoomEvent } from '../wire.ts'
import type { Encryption } from './encryption.ts'
import type { ToDeviceEvent } from './wire.ts'

export interface VerificationDeps {
  readonly encryption: Encryption
  readonly log: Log
  readonly self: string
  /** May this person talk to the bot at all? */
  readonly mayTalk: (user: string) => boolean
  /** Sends an event into a room, encrypted where the room is. Resolves with its id. */
  readonly send: (
    room: string,
    type: string,
    content: Readonly<Record<string, unknown>>,
    key: string,
    signal: AbortSignal,
  ) => Promise<string>
  /** Says something to a person: in this room, or else where they last spoke. */
  readonly tell: (user: string, room: string | undefined, text: string, key: string) => void
}

/** Whoever asks for a hundred verifications at once wants something else. */
const mostAtOnce = 20

type Outgoing = ReturnType<VerificationRequest['accept']>

/**
 * Compares emoji with a person (SAS), so that they can be sure to talk with this bot and nobody in between. It is the
 * person who compares: the bot shows its emoji in the room and in the log, and agrees.
 */
export class Verification {
  readonly #deps: VerificationDeps
  readonly #users = new Set<string>()
  /** What was shown or told of a verification, by its id. */
  readonly #shown = new Set<string>()
  #beginning: Promise<void> = Promise.resolve()

  constructor(deps: VerificationDeps) {
    this.#deps = deps
  }

  /** A message of the kind that verifications are made of? In rooms they stand among the others. */
  static concerns({ type, content }: RoomEvent): boolean {
    return type.startsWith('m.key.verification.') || content['msgtype'] === 'm.key.verification.request'
  }

  hear(events: readonly ToDeviceEvent[]): void {
    for (const { type, sender } of events) {
      if (type.startsWith('m.key.verification.')) this.#follow(sender)
    }
  }

  async hearRoom(room: string, event: RoomEvent): Promise<void> {
    const { encryption, log } = this.#deps
    if (!this.#follow(event.sender)) return
    // The answer may be here before we know what was asked.
    await Promise.allSettled([this.#beginning])
    try {
      await encryption.olm.receiveVerificationEvent(
        JSON.stringify({ ...event, room_id: room }),
        new encryption.library.RoomId(room),
      )
    } catch (error) {
      log.info({ room, reason: String(error) }, 'a message of a verification is not understood')
    }
  }

  /** Asks the person in the room to compare emoji. Resolves with what to tell them. */
  async begin(room: string, user: string, key: string, signal: AbortSignal): Promise<string> {
    const { encryption, send } = this.#deps
    const { EventId, OtherUserIdentity, RoomId, UserId, VerificationMethod } = encryption.library
    await encryption.olm.updateTrackedUsers([new UserId(user)])
    await encryption.requests.send(encryption.olm.queryKeysForUsers([new UserId(user)]), signal)
    const identity = await encryption.olm.getIdentity(new UserId(user))
    if (!(identity instanceof OtherUserIdentity)) return noIdentity
    const content: unknown = JSON.parse(identity.verificationRequestContent([VerificationMethod.SasV1]))
    if (typeof content !== 'object' || content === null) return noIdentity
    const ask = async () => {
      const event = await send(room, 'm.room.message', { ...content }, key, signal)
      identity.requestVerification(new RoomId(room), new EventId(event), [VerificationMethod.SasV1])
      this.#follow(user)
    }
    this.#beginning = ask()
    await this.#beginning
    return 'I have asked for a verification: accept it in your app, and compare the emoji.'
  }

  /** Does the next step of each verification that is under way. */
  async step(signal: AbortSignal): Promise<void> {
    const { encryption } = this.#deps
    for (const user of this.#users) {
      const requests = encryption.olm.getVerificationRequests(new encryption.library.UserId(user))
      for (const request of requests) await this.#stepOne(user, request, signal)
      if (requests.every((request) => request.isDone() || request.isCancelled())) this.#users.delete(user)
    }
  }

  #follow(user: string): boolean {
    if (this.#users.size >= mostAtOnce && !this.#users.has(user)) return false
    this.#users.add(user)
    return true
  }

  async #stepOne(user: string, request: VerificationRequest, signal: AbortSignal): Promise<void> {
    const { library } = this.#deps.encryption
    const { Requested, Ready } = library.VerificationRequestPhase
    if (request.isCancelled() || request.isDone()) return this.#ended(user, request, signal)
    const phase = request.phase()
    if (phase === Requested && !request.weStarted()) {
      if (!this.#mayVerify(user)) return this.#send(request.cancel(), signal)
      return this.#send(request.acceptWithMethods([library.VerificationMethod.SasV1]), signal)
    }
    const under = request.getVerification()
    if (phase === Ready && under === undefined && request.weStarted()) {
      const [, start] = (await request.startSas()) ?? []
      return this.#send(start, signal)
    }
    if (under instanceof library.Sas) await this.#stepSas(user, request, under, signal)
  }

  async #stepSas(user: string, request: VerificationRequest, sas: Sas, signal: AbortSignal): Promise<void> {
    if (!sas.weStarted() && !sas.hasBeenAccepted()) await this.#send(sas.accept(), signal)
    if (!sas.canBePresented() || sas.haveWeConfirmed()) return
    const emoji = (sas.emoji() ?? []).map(({ symbol, description }) => `${symbol} ${description}`).join(', ')
    this.#tellOnce(user, request, 'emoji', `Compare with your app: ${emoji}. If they differ, cancel there.`)
    this.#deps.log.info({ user, emoji }, 'the emoji of a verification')
    for (const confirmation of await sas.confirm()) await this.#send(confirmation, signal)
  }

  async #ended(user: string, request: VerificationRequest, signal: AbortSignal): Promise<void> {
    const done = request.isDone()
    const text = done
      ? 'Verified: nobody stands between us.'
      : 'The verification was cancelled: nothing is verified. Write !verify to try again.'
    if (!this.#tellOnce(user, request, 'end', text)) return
    this.#deps.log.info({ user, done }, 'a verification has ended')
    if (!done || user !== this.#deps.self) return
    // The account's other session trusts this one now, and gives it the secrets.
    await this.#deps.encryption.olm.requestMissingSecretsIfNeeded()
    await this.#deps.encryption.renewIdentity(signal)
  }

  #mayVerify(user: string): boolean {
    return user === this.#deps.self || this.#deps.mayTalk(user)
  }

  /** False: it was told before. */
  #tellOnce(user: string, request: VerificationRequest, what: string, text: string): boolean {
    const key = `verification ${request.flowId} ${what}`
    if (this.#shown.has(key)) return false
    if (this.#shown.size > 500) this.#shown.clear()
    this.#shown.add(key)
    if (this.#mayVerify(user)) this.#deps.tell(user, request.roomId?.toString(), text, key)
    return true
  }

  async #send(request: Outgoing, signal: AbortSignal): Promise<void> {
    if (request === undefined) return
    const { encryption, send } = this.#deps
    try {
      if (!(request instanceof encryption.library.RoomMessageRequest)) {
        await encryption.requests.send(request, signal)
        return
      }
      const { id, type, room_id: room, event_type: kind, txn_id: key } = request
      const content: unknown = JSON.parse(request.body)
      if (typeof content !== 'object' || content === null) return
      const event = await send(room, kind, { ...content }, `verification ${key}`, signal)
      await encryption.olm.markRequestAsSent(id, type, JSON.stringify({ event_id: event }))
    } catch (error) {
      if (!(error instanceof MatrixError) || error.deadToken) throw error
      this.#deps.log.warn({ reason: error.message }, 'a message of a verification was refused')
    }
  }
}

const noIdentity =
  'Your account has no identity to verify yet: set up encryption (secure backup) in your app first, then write !verify again.'
