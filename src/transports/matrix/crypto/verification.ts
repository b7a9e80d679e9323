import type { Sas, VerificationRequest } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import type { Memory } from '../../../core/transport.ts'
import type { Chore, Chores } from '../chores.ts'
import type { RoomEvent } from '../wire.ts'
import type { Encryption } from './encryption.ts'
import { Unfinished, type UnfinishedFlow } from './unfinished.ts'
import { VerificationPost, type Refused, type SendIntoRoom } from './verification-post.ts'
import * as words from './verification-words.ts'
import { relation, type ToDeviceEvent } from './wire.ts'

export interface VerificationDeps {
  readonly encryption: Encryption
  readonly memory: Memory
  readonly chores: Chores
  readonly log: Log
  readonly self: string
  /** May this person talk to the bot at all? */
  readonly mayTalk: (user: string) => boolean
  readonly send: SendIntoRoom
  /** Where to tell a person what concerns no room; undefined: nowhere. */
  readonly roomOf: (user: string) => string | undefined
}

/** Whoever asks for a hundred verifications at once wants something else. */
const mostAtOnce = 20
/** Answers of one person to a request whose id is not known yet. */
const mostEarly = 20
const mostTold = 500

/**
 * Compares emoji with a person (SAS), so that they can be sure to talk with this bot and nobody in between. It is the
 * person who compares: the bot shows its emoji in the room and in the log, and agrees. However it ends, also by the end
 * of the process, the person is told.
 */
export class Verification {
  readonly #deps: VerificationDeps
  readonly #post: VerificationPost
  readonly #unfinished: Unfinished
  readonly #users = new Set<string>()
  /** What was told of a verification, by its id. */
  readonly #told = new Set<string>()
  /** Whom the bot asks just now, and what came from them meanwhile: it may be the answer. */
  readonly #asking = new Map<string, RoomEvent[]>()
  #stepping: Promise<void> = Promise.resolve()
  #ownIsVerified = false

  constructor(deps: VerificationDeps) {
    const { encryption, send, log, memory } = deps
    this.#deps = deps
    this.#post = new VerificationPost(encryption, send, log)
    this.#unfinished = new Unfinished(memory)
  }

  /** A message of the kind that verifications are made of? In rooms they stand among the others. */
  static concerns({ type, content }: RoomEvent): boolean {
    return type.startsWith('m.key.verification.') || content['msgtype'] === 'm.key.verification.request'
  }

  /** Milliseconds until a step is due that no sync brings about; undefined: none. */
  get dueInMs(): number | undefined {
    return this.#post.dueInMs
  }

  hear(events: readonly ToDeviceEvent[]): void {
    for (const { type, sender } of events) {
      if (type.startsWith('m.key.verification.')) this.#follow(sender)
    }
  }

  async hearRoom(room: string, event: RoomEvent, signal: AbortSignal): Promise<void> {
    const { encryption } = this.#deps
    const { sender, event_id: id } = event
    const isRequest = event.type === 'm.room.message'
    if (!this.#follow(sender)) {
      if (isRequest) this.#tellOnce({ user: sender, flow: id, room }, 'end', words.tooMany)
      return
    }
    const early = this.#asking.get(sender)
    const flow = relation.safeParse(event.content['m.relates_to']).data?.event_id
    const isKnown = flow === undefined || this.#find({ user: sender, flow }) !== undefined
    if (early !== undefined && !isKnown && early.length < mostEarly) {
      early.push(event)
      return
    }
    // The machine gives up a verification with a device that it does not know.
    if (isRequest && this.#mayVerify(sender)) await encryption.learnDevices(sender, signal)
    await this.#receive(room, event)
  }

  /** Asks the person in the room to compare emoji. Resolves with what to tell them. Throws what the client throws. */
  async begin(room: string, user: string, key: string, signal: AbortSignal): Promise<string> {
    const { encryption, send } = this.#deps
    const { EventId, OtherUserIdentity, RoomId, UserId, VerificationMethod } = encryption.library
    await encryption.olm.updateTrackedUsers([new UserId(user)])
    await encryption.requests.send(encryption.olm.queryKeysForUsers([new UserId(user)]), signal)
    const identity = await encryption.olm.getIdentity(new UserId(user))
    if (!(identity instanceof OtherUserIdentity)) return words.noIdentity
    const content: unknown = JSON.parse(identity.verificationRequestContent([VerificationMethod.SasV1]))
    if (typeof content !== 'object' || content === null) return words.noIdentity
    if (!this.#follow(user)) return words.tooMany
    const early = this.#asking.get(user) ?? []
    this.#asking.set(user, early)
    const event = await send(room, 'm.room.message', { ...content }, key, signal)
    identity.requestVerification(new RoomId(room), new EventId(event), [VerificationMethod.SasV1])
    this.#follow(user)
    this.#asking.delete(user)
    for (const one of early) await this.#receive(room, one)
    await this.step(signal)
    return words.asked
  }

  /** Does the next step of each verification that is under way. Throws only where the log-in has ended. */
  async step(signal: AbortSignal): Promise<void> {
    const before = this.#stepping
    const now = (async () => {
      await Promise.allSettled([before])
      await this.#stepAll(signal)
    })()
    this.#stepping = now
    await now
  }

  async #stepAll(signal: AbortSignal): Promise<void> {
    const { encryption } = this.#deps
    for (const user of this.#users) {
      const requests = encryption.olm.getVerificationRequests(new encryption.library.UserId(user))
      for (const request of requests) await this.#stepOne(user, request)
      if (requests.every((request) => request.isDone() || request.isCancelled())) this.#users.delete(user)
    }
    for (const one of this.#unfinished.all) if (this.#find(one) === undefined) this.#breakOff(one)
    const refused = await this.#post.send(signal)
    for (const one of refused) this.#giveUp(one)
    if (refused.length > 0) await this.#post.send(signal)
    if (this.#ownIsVerified) await this.#takeTrust(signal)
  }

  #follow(user: string): boolean {
    if (this.#users.size >= mostAtOnce && !this.#users.has(user)) return false
    this.#users.add(user)
    return true
  }

  async #receive(room: string, event: RoomEvent): Promise<void> {
    const { encryption, log } = this.#deps
    try {
      await encryption.olm.receiveVerificationEvent(
        JSON.stringify({ ...event, room_id: room }),
        new encryption.library.RoomId(room),
      )
    } catch (error) {
      log.info({ room, reason: String(error) }, 'a message of a verification is not understood')
    }
  }

  async #stepOne(user: string, request: VerificationRequest): Promise<void> {
    const { library } = this.#deps.encryption
    const { Requested, Ready } = library.VerificationRequestPhase
    if (request.isCancelled() || request.isDone()) return this.#ended(user, request)
    const { flowId: flow } = request
    const phase = request.phase()
    if (!this.#mayVerify(user)) return this.#post.add({ user, flow }, request.cancel())
    const room = request.roomId?.toString()
    this.#unfinished.add({ user, flow, room, device: request.otherDeviceId?.toString() })
    if (phase === Requested && !request.weStarted()) {
      return this.#post.add({ user, flow }, request.acceptWithMethods([library.VerificationMethod.SasV1]))
    }
    const under = request.getVerification()
    if (phase === Ready && under === undefined && request.weStarted()) {
      const [, start] = (await request.startSas()) ?? []
      return this.#post.add({ user, flow }, start)
    }
    if (under instanceof library.Sas) await this.#stepSas(user, request, under)
  }

  async #stepSas(user: string, request: VerificationRequest, sas: Sas): Promise<void> {
    const { flowId: flow } = request
    // Nothing where it was we who began to compare. (`weStarted` tells who asked for the verification.)
    this.#post.add({ user, flow }, sas.accept())
    if (!sas.canBePresented() || sas.haveWeConfirmed()) return
    const emoji = (sas.emoji() ?? []).map(({ symbol, description }) => `${symbol} ${description}`).join(', ')
    this.#tellOnce({ user, flow, room: request.roomId?.toString() }, 'emoji', words.compare(emoji))
    this.#deps.log.info({ user, emoji }, 'the emoji of a verification')
    for (const confirmation of await sas.confirm()) this.#post.add({ user, flow }, confirmation)
  }

  #ended(user: string, request: VerificationRequest): void {
    const { flowId: flow, cancelInfo } = request
    const sas = this.#sasOf(user, flow)
    // The other side may say that it is done before it has shown anything: that proves nothing.
    const done = request.isDone() && sas?.isDone() === true
    const code = cancelInfo?.cancelCode()
    const text = done ? words.verified : words.cancelled(cancelInfo?.cancelledbyUs() ?? false, code)
    if (request.isDone() && !done) this.#post.add({ user, flow }, sas?.cancel())
    if (!this.#tellOnce({ user, flow, room: request.roomId?.toString() }, 'end', text)) return
    this.#deps.log.info({ user, done, code }, 'a verification has ended')
    if (done && user === this.#deps.self) this.#ownIsVerified = true
  }

  /** The account's other session trusts this one now, and gives it the secrets. */
  async #takeTrust(signal: AbortSignal): Promise<void> {
    const { encryption } = this.#deps
    await encryption.olm.requestMissingSecretsIfNeeded()
    await encryption.renewIdentity(signal)
    this.#ownIsVerified = false
  }

  /** The machine knows nothing of it: whoever waits for an answer would wait in vain. */
  #breakOff(one: UnfinishedFlow): void {
    this.#deps.log.warn({ user: one.user }, 'a verification broke off')
    this.#tellOnce(one, 'end', words.brokenOff, [{ kind: 'cancel-verification', ...one }])
  }

  #giveUp({ user, flow, reason }: Refused): void {
    const request = this.#find({ user, flow })
    if (request === undefined) return
    const room = request.roomId?.toString()
    this.#post.add({ user, flow }, request.cancel())
    this.#tellOnce({ user, flow, room }, 'end', words.refused(reason))
  }

  #find({ user, flow }: UnfinishedFlow): VerificationRequest | undefined {
    const { library, olm } = this.#deps.encryption
    return olm.getVerificationRequest(new library.UserId(user), flow)
  }

  #sasOf(user: string, flow: string): Sas | undefined {
    const { library, olm } = this.#deps.encryption
    const under = olm.getVerification(new library.UserId(user), flow)
    return under instanceof library.Sas ? under : undefined
  }

  #mayVerify(user: string): boolean {
    return user === this.#deps.self || this.#deps.mayTalk(user)
  }

  /** False: it was told before. `more`: what is to be done besides. */
  #tellOnce(
    { user, flow, room }: UnfinishedFlow,
    what: 'emoji' | 'end',
    text: string,
    more: readonly Chore[] = [],
  ): boolean {
    const { chores, memory, roomOf } = this.#deps
    // The other side chooses the name of a flow between devices: it is one only together with the side.
    const key = `verification ${user} ${flow} ${what}`
    if (this.#told.has(key)) return false
    if (this.#told.size > mostTold) this.#told.clear()
    this.#told.add(key)
    const where = this.#mayVerify(user) ? (room ?? roomOf(user)) : undefined
    const word: readonly Chore[] = where === undefined ? [] : [{ kind: 'say', room: where, text, key }]
    const duties = [...word, ...more]
    if (what === 'end') this.#unfinished.end({ user, flow }, chores.pairs(duties))
    else memory.remember(chores.pairs(duties))
    chores.add(duties)
    return true
  }
}
