import { randomUUID } from 'node:crypto'
import type { Agent } from './agent.ts'
import { Admission, type Errand } from './admission.ts'
import type { Chosen } from './chosen.ts'
import type { Command } from './command.ts'
import { fileOf } from './answer.ts'
import { carryOut } from './carry-out.ts'
import { Conversation, otherAgent } from './conversation.ts'
import type { Log } from './define.ts'
import type { Flow } from './flow.ts'
import type { Inbound, Message, Place } from './message.ts'
import { Notices } from './notices.ts'
import type { Outbox } from './outbox.ts'
import type { Installation } from './place-control.ts'
import type { PermissionMode, UnpromptedTurn } from './provider.ts'
import { pressedForMs } from './press.ts'
import { recover } from './recover.ts'
import type { Store } from './store.ts'
import type { Intake, Transport } from './transport.ts'
import { TurnLimit } from './turn-limit.ts'
import { UserError } from './user-error.ts'
import { untilStored } from './until-stored.ts'

export interface GatewayDeps {
  readonly store: Store
  readonly outbox: Outbox
  readonly transports: ReadonlyMap<string, Transport>
  readonly agent: Agent
  readonly commands: readonly Command[]
  readonly log: Log
  /** What commands need of the whole installation, beyond what the gateway itself knows. */
  readonly installation: Omit<Installation, 'uptimeMs'>
  readonly now?: () => number
}

/** Two agents do not keep each other busy for longer without a person. */
const mostAnswersInARow = 10
/** Idle conversations beyond so many are forgotten; all that counts of them is in the store. */
const mostIdle = 1000

/** The flow: what is heard is stored, judged, queued, run, and shown. */
export class Gateway implements Flow {
  readonly store: Store
  readonly notices: Notices
  readonly transports: ReadonlyMap<string, Transport>
  readonly agent: Agent
  readonly log: Log
  readonly #deps: GatewayDeps
  readonly #admission: Admission
  readonly #installation: Installation
  /** By place, then by strand. */
  readonly #conversations = new Map<string, Map<string, Conversation>>()
  /** Commands and presses of a place run one after another, and before what was written after them. */
  readonly #errands = new Map<string, Promise<void>>()
  readonly #limit: TurnLimit
  readonly #startedAt: number
  #trouble: string | undefined
  #closing = false

  constructor(deps: GatewayDeps) {
    this.#deps = deps
    this.store = deps.store
    this.transports = deps.transports
    this.agent = deps.agent
    this.log = deps.log
    this.#startedAt = this.now()
    this.#limit = new TurnLimit(() => deps.agent.settings().mostTurns)
    this.notices = new Notices(deps.store, deps.outbox, () => this.now())
    this.#admission = new Admission(this, deps.commands, (seq) => this.#carryOut(seq))
    const warnings = () => {
      const all = deps.installation.warnings()
      return this.#trouble === undefined ? all : [this.#trouble, ...all]
    }
    this.#installation = { ...deps.installation, warnings, uptimeMs: () => this.now() - this.#startedAt }
  }

  now(): number {
    return this.#deps.now?.() ?? Date.now()
  }

  /** Why the store cannot be written, while it cannot. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  counts(): { running: number; queued: number } {
    const all = [...this.#conversations.values()].flatMap((strands) => [...strands.values()])
    const running = all.filter((one) => one.running !== undefined).length
    return { running, queued: this.store.countInbox('queued') }
  }

  /** Takes up what the last run left: asks about turns that were cut off, runs what still waits. */
  start(): void {
    const { store, outbox, agent } = this.#deps
    for (const [providerName, provider] of agent.providers)
      provider.listen?.((turn) => this.#hearUnprompted(turn, { providerName, provider }))
    store.transaction(() => recover(this))
    outbox.resume()
    for (const { seq, inbound } of store.inboundsIn('pending')) {
      this.#send(inbound.place, () => this.#carryOut(seq))
    }
    for (const { place, strand } of store.queues()) {
      this.#send(place, () => this.conversation(place, strand).wake())
    }
  }

  /** What `source` is given to hand over what it hears. */
  intake(source: string, signal: AbortSignal): Intake {
    const { store } = this.#deps
    return {
      recall: (key) => store.recall(source, key),
      list: (prefix) => store.list(source, prefix),
      remember: (entries) => store.remember(source, entries),
      take: async (batch, remember) => {
        const errands = await this.keep(
          () =>
            store.transaction(() => {
              if (remember !== undefined) store.remember(source, remember)
              return batch.map((inbound) => ({ inbound, errand: this.#admission.admit(inbound) }))
            }),
          signal,
        )
        for (const { inbound, errand } of errands) this.#meet(inbound, errand)
      },
    }
  }

  /** Choices that nobody made for too long go, and their messages say so. */
  async expireChoices(): Promise<void> {
    for (const key of this.store.publicationsWithChoicesBefore(this.now() - pressedForMs))
      await this.keep(() => this.notices.close(key, 'expired'))
  }

  /** Says something to whoever owns the installation, wherever that can be done, but not on the transport `except`. */
  tellOwner(key: string, text: string, except?: string): void {
    const places = [...this.transports.entries()].flatMap(([name, transport]) =>
      name === except ? [] : (transport.ownerPlace?.() ?? []),
    )
    for (const place of places) this.notices.say({ key: `${key}/${place.key}`, place, text })
  }

  /** The agent of this conversation has a file sent: with its running turn, or by itself. Throws `UserError`. */
  async sendFile(place: Place, strand: string, path: string): Promise<string> {
    const rule = { access: this.agent.settings().fileAccess, workspace: this.agent.workspace }
    const part = await fileOf(path, rule)
    const { running } = this.conversation(place, strand)
    if (running === undefined) await this.keep(() => this.notices.show(`file/${randomUUID()}`, place, [part]))
    else running.attach(part)
    return `${part.name} goes into the chat.`
  }

  /** Gives how much the agent of this conversation may do. Throws `UserError` where it may not ask another one now. */
  allowQuestion(place: Place, strand: string): PermissionMode {
    if (this.conversation(place, strand).answersInARow >= mostAnswersInARow)
      throw new UserError(
        `${mostAnswersInARow} answers have come since a person wrote here: say how far you are, and ask again when they have answered.`,
      )
    return this.agent.settings().permissionMode
  }

  /** Another agent has answered what this conversation's agent asked; it goes on with that. */
  async hearAnswer(
    place: Place,
    strand: string,
    { id: asked, text }: { readonly id: string; readonly text: string },
  ): Promise<void> {
    const id = `answer/${asked}`
    const from = { id: otherAgent }
    await this.keep(() =>
      this.store.transaction(() =>
        this.enqueue(
          {
            kind: 'message',
            id,
            messageId: id,
            place,
            sender: from,
            sentAt: this.now(),
            group: false,
            addressed: true,
            text,
          },
          strand,
        ),
      ),
    )
  }

  /** Stops running turns after `graceMs`; what is unfinished is asked about at the next start. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    const all = [...this.#conversations.values()].flatMap((strands) => [...strands.values()])
    await Promise.allSettled(all.map((one) => one.close(graceMs)))
  }

  keep<T>(write: () => T, signal?: AbortSignal): Promise<T> {
    const trouble = (what: string | undefined) => {
      this.#trouble = what
    }
    return untilStored(write, { log: this.#deps.log, trouble }, signal)
  }

  conversation(place: Place, strand: string): Conversation {
    const strands = this.#conversations.get(place.key) ?? new Map<string, Conversation>()
    const known = strands.get(strand)
    if (known !== undefined) return known
    const { store, outbox, agent, log, transports } = this.#deps
    const conversation = new Conversation(place, strand, {
      store,
      outbox,
      notices: this.notices,
      agent,
      transport: transports.get(place.transport),
      log,
      now: () => this.now(),
      keep: (write) => this.keep(write),
      limit: this.#limit,
      waits: () => this.#limit.review(),
    })
    strands.set(strand, conversation)
    // The last used is the last in the map: the first to be forgotten is the one that was quiet for longest.
    this.#conversations.delete(place.key)
    this.#conversations.set(place.key, strands)
    this.#forgetIdle()
    return conversation
  }

  conversations(place: Place): readonly Conversation[] {
    return [...(this.#conversations.get(place.key)?.values() ?? [])]
  }

  async hear(message: Message): Promise<void> {
    const errand = await this.keep(() => this.store.transaction(() => this.#admission.admit(message)))
    this.#meet(message, errand)
  }

  enqueue(message: Message, strand: string): void {
    const seq = this.#deps.store.addInbound(message, 'queued', strand)
    if (seq === undefined) return
    this.#deps.store.note({ seq }, 'queued')
    this.wakeSoon(message.place, strand)
  }

  wakeSoon(place: Place, strand: string): void {
    queueMicrotask(() => this.#send(place, () => this.conversation(place, strand).wake()))
  }

  #hearUnprompted(turn: UnpromptedTurn, by: Chosen): void {
    if (this.#closing) return turn.stop()
    this.conversation(turn.place, turn.strand).hearUnprompted(turn, by)
  }

  #forgetIdle(): void {
    if (this.#conversations.size <= mostIdle) return
    for (const [key, strands] of this.#conversations) {
      if (this.#conversations.size <= mostIdle / 2) return
      if ([...strands.values()].every(({ idle }) => idle)) this.#conversations.delete(key)
    }
  }

  #carryOut(seq: number): Promise<void> {
    return carryOut(seq, this, { commands: this.#deps.commands, installation: this.#installation })
  }

  /** In its turn; but whoever wants all to stop does not wait for a command that is still at work. */
  #meet(inbound: Inbound, errand: Errand | undefined): void {
    if (errand === undefined) return
    const { place } = inbound
    if (this.#closing || !this.#errands.has(place.key) || !this.#admission.stops(inbound))
      return this.#send(place, errand)
    Promise.try(errand).catch((error: unknown) => {
      this.#deps.log.error({ err: error, place: place.key }, 'a stop failed')
    })
  }

  /** After what was sent before it for this place. Never throws. */
  #send(place: Place, errand: Errand): void {
    if (this.#closing) return
    const before = this.#errands.get(place.key) ?? Promise.resolve()
    const errands = before.then(errand).catch((error: unknown) => {
      this.#deps.log.error({ err: error, place: place.key }, 'an errand failed')
    })
    this.#errands.set(place.key, errands)
    void errands.finally(() => {
      if (this.#errands.get(place.key) === errands) this.#errands.delete(place.key)
    })
  }
}
