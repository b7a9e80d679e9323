import { authorise } from './authorise.ts'
import { parseCommand, type Command, type ConversationStatus } from './command.ts'
import { Conversation, queueKey, type Agent } from './conversation.ts'
import type { Log } from './define.ts'
import type { Flow } from './flow.ts'
import type { Edit, Inbound, Message, Place, Press, Redaction } from './message.ts'
import { Notices } from './notices.ts'
import type { Outbox } from './outbox.ts'
import type { PermissionAnswer } from './provider.ts'
import { pressed } from './press.ts'
import { recover } from './recover.ts'
import { askAboutStale } from './stale.ts'
import type { Store } from './store.ts'
import type { Intake, Transport } from './transport.ts'
import { untilStored } from './until-stored.ts'

export interface GatewayDeps {
  readonly store: Store
  readonly outbox: Outbox
  readonly transports: ReadonlyMap<string, Transport>
  readonly agent: Agent
  readonly commands: readonly Command[]
  readonly log: Log
  /** Older messages are not run without asking. */
  readonly backlogMaxAgeMs: number
  /** What a person should know about this installation, for `/status`. */
  readonly warnings: readonly string[]
  readonly now?: () => number
}

/** What is left to do when an event has been stored. */
type Errand = () => Promise<void> | void

/** The flow: what is heard is stored, judged, queued, run, and shown. */
export class Gateway implements Flow {
  readonly store: Store
  readonly notices: Notices
  readonly transports: ReadonlyMap<string, Transport>
  readonly providerName: string
  readonly backlogMaxAgeMs: number
  readonly #deps: GatewayDeps
  readonly #conversations = new Map<string, Conversation>()
  readonly #startedAt: number
  /** Commands and presses of a place run one after another, and before what was written after them. */
  readonly #errands = new Map<string, Promise<void>>()
  #trouble: string | undefined
  #closing = false

  constructor(deps: GatewayDeps) {
    this.#deps = deps
    this.store = deps.store
    this.transports = deps.transports
    this.providerName = deps.agent.providerName
    this.backlogMaxAgeMs = deps.backlogMaxAgeMs
    this.#startedAt = this.now()
    this.notices = new Notices(deps.store, deps.outbox, () => this.now())
  }

  now(): number {
    return this.#deps.now?.() ?? Date.now()
  }

  permit(place: Place, turn: string, request: string, answer: PermissionAnswer): boolean {
    return this.conversation(place).answer(turn, request, answer)
  }

  /** Why the store cannot be written, while it cannot. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  counts(): { running: number; queued: number } {
    const running = [...this.#conversations.values()].filter(
      ({ runningSince }) => runningSince !== undefined,
    ).length
    return { running, queued: this.#deps.store.countInbox('queued') }
  }

  /** Takes up what the last run left: asks about turns that were cut off, runs what still waits. */
  start(): void {
    const { store, outbox } = this.#deps
    store.transaction(() => recover(this))
    outbox.resume()
    for (const row of store.inboundsIn('pending'))
      this.#send(row.inbound.place, () => this.#carryOut(row.seq))
    for (const place of new Map(
      store.inboundsIn('queued').map(({ inbound }) => [inbound.place.key, inbound.place]),
    ).values()) {
      this.#send(place, () => this.conversation(place).wake())
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
              return batch.map((inbound) => ({ place: inbound.place, errand: this.#admit(inbound) }))
            }),
          signal,
        )
        for (const { place, errand } of errands) if (errand !== undefined) this.#send(place, errand)
      },
    }
  }

  /** Stops running turns after `graceMs`; what is unfinished is asked about at the next start. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    await Promise.allSettled([...this.#conversations.values()].map((one) => one.close(graceMs)))
  }

  keep<T>(write: () => T, signal?: AbortSignal): Promise<T> {
    const trouble = (what: string | undefined) => {
      this.#trouble = what
    }
    return untilStored(write, { log: this.#deps.log, trouble }, signal)
  }

  conversation(place: Place): Conversation {
    const known = this.#conversations.get(place.key)
    if (known !== undefined) return known
    const { store, outbox, agent, log, transports } = this.#deps
    const conversation = new Conversation(place, {
      store,
      outbox,
      notices: this.notices,
      agent,
      transport: transports.get(place.transport),
      log,
      now: () => this.now(),
      keep: (write) => this.keep(write),
    })
    this.#conversations.set(place.key, conversation)
    return conversation
  }

  /** Puts an event of our own in the queue, as if the person had written it. Call within a transaction. */
  enqueue(message: Message): void {
    const seq = this.#deps.store.addInbound(message, 'queued')
    if (seq === undefined) return
    this.#deps.store.note({ seq }, 'queued')
    this.wakeSoon(message.place)
  }

  /** When the transaction that is under way has been committed. */
  wakeSoon(place: Place): void {
    queueMicrotask(() => this.#send(place, () => this.conversation(place).wake()))
  }

  /** Stores one event and says what is left to do. Within the transaction of its batch. */
  #admit(inbound: Inbound): Errand | undefined {
    const transport = this.#deps.transports.get(inbound.place.transport)
    if (transport === undefined) return undefined
    const verdict = authorise(transport.policy, {
      act: inbound.kind,
      sender: inbound.sender.id,
      chat: inbound.place.chat,
      group: inbound.group,
      addressed: inbound.addressed,
    })
    if (!verdict.allowed) return this.#refuse(inbound, verdict.reason)
    switch (inbound.kind) {
      case 'message':
        return this.#admitMessage(inbound, transport)
      case 'press':
        return this.#admitPending(inbound)
      case 'edit':
        return this.#admitEdit(inbound)
      case 'redaction':
        return this.#admitRedaction(inbound)
    }
  }

  #refuse(inbound: Inbound, reason: string): undefined {
    const { store, log } = this.#deps
    // Nothing that a stranger wrote is kept, only that and why it was refused.
    const bare: Inbound = 'text' in inbound ? { ...inbound, text: '' } : inbound
    const seq = store.addInbound(bare, 'refused')
    if (seq === undefined) return
    log.info({ place: inbound.place.key, event: inbound.id, reason }, 'refused')
    store.note({ seq }, 'received')
    store.note({ seq }, 'refused', reason)
  }

  #admitMessage(message: Message, transport: Transport): Errand | undefined {
    const { store, commands } = this.#deps
    if (message.text.trim() === '' && (message.attachments ?? []).length === 0) return undefined
    const isCommand = parseCommand(message.text, transport.commandPrefixes, commands) !== undefined
    if (isCommand || (transport.choices === 'typed' && pressed(this, message) !== undefined)) {
      return this.#admitPending(message)
    }
    const late = this.now() - message.sentAt > this.backlogMaxAgeMs
    const seq = store.addInbound(message, late ? 'stale' : 'queued')
    if (seq === undefined) return undefined
    this.#received(seq)
    if (late) {
      store.note({ seq }, 'held back', 'older than backlog_max_age_minutes')
      return () => this.keep(() => askAboutStale(this, message.place))
    }
    store.note({ seq }, 'queued')
    return () => this.#queued(seq, message)
  }

  #admitPending(inbound: Message | Press): Errand | undefined {
    const seq = this.#deps.store.addInbound(inbound, 'pending')
    if (seq === undefined) return undefined
    this.#received(seq)
    return () => this.#carryOut(seq)
  }

  #admitEdit(edit: Edit): undefined {
    const { store } = this.#deps
    const seq = store.addInbound(edit, 'done')
    const original = store.inboundOfMessage(edit.place.key, edit.messageId)
    if (seq === undefined || original?.state !== 'queued') return
    if (original.inbound.sender.id !== edit.sender.id) return
    store.replaceText(original.seq, edit.text)
    store.note({ seq: original.seq }, 'edited while it waited')
  }

  #admitRedaction(redaction: Redaction): undefined {
    const { store } = this.#deps
    const seq = store.addInbound(redaction, 'done')
    const original = store.inboundOfMessage(redaction.place.key, redaction.messageId)
    if (seq === undefined || original?.state !== 'queued') return
    store.setInboxState(original.seq, 'cancelled')
    store.note({ seq: original.seq }, 'taken back while it waited')
    this.notices.withdraw(queueKey(original.seq), redaction.place)
  }

  #received(seq: number): void {
    this.#deps.store.note({ seq }, 'received')
    this.#deps.store.note({ seq }, 'authorised')
  }

  /** A message is in the queue: it runs at once, or its sender is told that it waits. */
  async #queued(seq: number, message: Message): Promise<void> {
    const { place, messageId } = message
    const conversation = this.conversation(place)
    void this.#deps.transports
      .get(place.transport)
      ?.mark?.(place, messageId, 'seen')
      .catch(() => {
        // A courtesy.
      })
    if (conversation.busy) {
      const ahead = this.#deps.store.inboundsIn('queued', place.key).filter((row) => row.seq < seq).length + 1
      await this.keep(() =>
        this.notices.say({
          key: queueKey(seq),
          place,
          replyTo: messageId,
          text:
            ahead === 1 ? 'Waiting for the running turn.' : `Waiting: ${ahead} turns are before this one.`,
          offers: [{ label: 'Cancel', style: 'danger', action: { do: 'cancel', seq } }],
        }),
      )
    }
    conversation.wake()
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

  async #carryOut(seq: number): Promise<void> {
    const row = this.#deps.store.inboundBySeq(seq)
    if (row?.state !== 'pending') return
    const { inbound } = row
    try {
      const press = pressed(this, inbound)
      if (press !== undefined) await press()
      else if (inbound.kind === 'message') await this.#command(seq, inbound)
      await this.keep(() => this.#deps.store.setInboxState(seq, 'done'))
    } catch (error) {
      this.#deps.log.error({ err: error, place: inbound.place.key }, 'a command failed')
      await this.keep(() => {
        this.#deps.store.setInboxState(seq, 'dead')
        this.#deps.store.note({ seq }, 'set aside', error instanceof Error ? error.message : String(error))
      })
    }
  }

  async #command(seq: number, message: Message): Promise<void> {
    const { transports, commands } = this.#deps
    const prefixes = transports.get(message.place.transport)?.commandPrefixes ?? ['/']
    const call = parseCommand(message.text, prefixes, commands)
    if (call === undefined) return
    const { place } = message
    const conversation = this.conversation(place)
    const text = await call.command.run({
      message,
      args: call.args,
      commands,
      prefix: message.text.slice(0, 1),
      stop: async () => {
        // First what waits, or it would start the moment the running turn has ended.
        const dropped = await this.keep(() => this.#dropQueue(place, seq))
        return { stopped: await conversation.stop(), dropped }
      },
      fresh: () => this.keep(() => this.#deps.store.setSession(place.key, this.providerName, undefined)),
      status: () => this.#status(place),
    })
    await this.keep(() =>
      this.notices.say({ key: `reply/${message.place.transport}/${message.id}`, place, text }),
    )
  }

  /** Drops what was written before the command; what was written after it stays. */
  #dropQueue(place: Place, before: number): number {
    const { store } = this.#deps
    return store.transaction(() => {
      const rows = store.inboundsIn('queued', place.key).filter(({ seq }) => seq < before)
      for (const { seq } of rows) {
        store.setInboxState(seq, 'cancelled')
        store.note({ seq }, 'cancelled', 'by /stop or /new')
        this.notices.withdraw(queueKey(seq), place)
      }
      return rows.length
    })
  }

  #status(place: Place): ConversationStatus {
    const { store, agent, warnings } = this.#deps
    const since = this.conversation(place).runningSince
    return {
      provider: agent.providerName,
      session: store.session(place.key, agent.providerName),
      runningMs: since === undefined ? undefined : this.now() - since,
      queued: store.inboundsIn('queued', place.key).length,
      uptimeMs: this.now() - this.#startedAt,
      warnings: this.#trouble === undefined ? warnings : [this.#trouble, ...warnings],
    }
  }
}
