import { authorise } from './authorise.ts'
import { belongsTogether } from './burst.ts'
import { commandsOn, parseCommand, type Command } from './command.ts'
import { mark } from './courtesy.ts'
import type { Flow } from './flow.ts'
import type { Edit, Inbound, Message, Press, Redaction } from './message.ts'
import { typedPress } from './press.ts'
import { queueKey, queueNotice } from './queue-notice.ts'
import { route } from './route.ts'
import { askAboutStale } from './stale.ts'
import type { InboxState } from './store.ts'
import type { Transport } from './transport.ts'

/** What is left to do when an event has been stored. */
export type Errand = () => Promise<void> | void

/** Words that stop, for those in a hurry: only as the whole message, and only while something runs. */
const stopWords: ReadonlySet<string> = new Set(['stop', 'cancel', 'abort', 'halt'])

/** Nothing of it runs yet, or runs any more: for its turn, or for a person who says what to do. */
const waiting: ReadonlySet<InboxState> = new Set(['queued', 'stale', 'asked'])

/** Judges what was heard, and stores it as what it is. */
export class Admission {
  readonly #flow: Flow
  readonly #commands: readonly Command[]
  readonly #carryOut: (seq: number) => Promise<void>

  constructor(flow: Flow, commands: readonly Command[], carryOut: (seq: number) => Promise<void>) {
    this.#flow = flow
    this.#commands = commands
    this.#carryOut = carryOut
  }

  /** Stores one event and says what is left to do. Within the transaction of its batch. */
  admit(inbound: Inbound): Errand | undefined {
    const transport = this.#flow.transports.get(inbound.place.transport)
    if (transport === undefined) return undefined
    const verdict = authorise(transport.policy, {
      act: inbound.kind,
      sender: inbound.sender.id,
      chat: inbound.place.chat,
      group: inbound.group,
      addressed: inbound.addressed || this.#isAwaited(inbound),
    })
    if (!verdict.allowed) return this.#refuse(inbound, verdict.reason)
    switch (inbound.kind) {
      case 'message':
        return this.#admitMessage(inbound, transport)
      case 'press':
        return this.#admitPending(inbound, '')
      case 'edit':
        this.#admitEdit(inbound)
        return undefined
      case 'redaction':
        this.#admitRedaction(inbound)
        return undefined
    }
  }

  /** Is it what ends what runs? That waits for nothing which was written before it. */
  stops(inbound: Inbound): boolean {
    const transport = this.#flow.transports.get(inbound.place.transport)
    if (inbound.kind !== 'message' || transport === undefined) return false
    if (inbound.forwardedFrom !== undefined) return false
    const call = this.#commandIn(inbound, transport)
    return call === undefined ? this.#isStopWord(inbound, transport) : call.command.name === 'stop'
  }

  /** Somebody who was asked for words need not call the bot by its name. */
  #isAwaited(inbound: Inbound): boolean {
    return inbound.kind === 'message' && this.#isAnswer(inbound)
  }

  #refuse(inbound: Inbound, reason: string): undefined {
    const { store, log } = this.#flow
    // Nothing that a stranger wrote is kept, only that and why it was refused.
    const bare: Inbound = inbound.kind === 'message' ? stripped(inbound) : inbound
    const seq = store.addInbound(bare.kind === 'edit' ? { ...bare, text: '' } : bare, 'refused')
    if (seq === undefined) return
    log.info({ place: inbound.place.key, event: inbound.id, reason }, 'refused')
    store.note({ seq }, 'received')
    store.note({ seq }, 'refused', reason)
  }

  #admitMessage(message: Message, transport: Transport): Errand | undefined {
    const { store } = this.#flow
    if (message.text.trim() === '' && (message.attachments ?? []).length === 0) return undefined
    const { strand, message: routed } = route(store, message)
    if (this.#isErrand(message, transport)) return this.#admitPending(message, strand)
    const late = this.#flow.now() - message.sentAt > this.#flow.agent.settings().backlogMaxAgeMs
    const seq = store.addInbound(routed, late ? 'stale' : 'queued', strand)
    if (seq === undefined) return undefined
    this.#received(seq)
    if (late) {
      store.note({ seq }, 'held back', 'older than backlog_max_age_minutes')
      return () => this.#flow.keep(() => askAboutStale(this.#flow, message.place))
    }
    store.note({ seq }, 'queued')
    return () => this.#queued(seq, routed, strand)
  }

  /** Is it a command, a choice that was typed, or words that an agent waits for? */
  #isErrand(message: Message, transport: Transport): boolean {
    const isCommand = this.#commandIn(message, transport) !== undefined
    // What somebody else has written may answer a question, but it commands nothing here.
    if (message.forwardedFrom !== undefined) return !isCommand && this.#isAnswer(message)
    if (isCommand || this.#isAnswer(message)) return true
    if (this.#isStopWord(message, transport)) return true
    return transport.choices === 'typed' && typedPress(this.#flow, message, this.#flow.now()) !== undefined
  }

  #commandIn({ text }: Message, transport: Transport): ReturnType<typeof parseCommand> {
    return parseCommand(text, transport.commandPrefixes, commandsOn(transport, this.#commands))
  }

  #isStopWord({ place, text }: Message, { commandPrefixes }: Transport): boolean {
    if (commandPrefixes.length === 0 || !stopWords.has(text.trim().toLowerCase())) return false
    return this.#flow
      .conversations(place)
      .some(({ running, crowdedOut }) => running !== undefined || crowdedOut)
  }

  #isAnswer({ place, sender, replyTo }: Message): boolean {
    const conversations = this.#flow.conversations(place)
    if (conversations.every(({ running }) => running === undefined || running.asks.waiting === 0))
      return false
    const answered =
      replyTo === undefined
        ? undefined
        : this.#flow.store.publicationOfPost(place.key, replyTo.messageId)?.key
    return conversations.some(({ running }) => running?.asks.expects(sender.id, answered) === true)
  }

  #admitPending(inbound: Message | Press, strand: string): Errand | undefined {
    const seq = this.#flow.store.addInbound(inbound, 'pending', strand)
    if (seq === undefined) return undefined
    this.#received(seq)
    return () => this.#carryOut(seq)
  }

  #admitEdit(edit: Edit): void {
    const { store } = this.#flow
    const seq = store.addInbound(edit, 'done')
    const original = store.inboundOfMessage(edit.place, edit.messageId)
    if (seq === undefined || original === undefined) return
    if (original.inbound.sender.id !== edit.sender.id) return
    if (!waiting.has(original.state))
      return store.note({ seq }, 'edited too late', `it was ${original.state}`)
    store.replaceText(original.seq, edit.text)
    store.note({ seq: original.seq }, 'edited while it waited')
  }

  #admitRedaction(redaction: Redaction): void {
    const { store } = this.#flow
    const seq = store.addInbound(redaction, 'done')
    const original = store.inboundOfMessage(redaction.place, redaction.messageId)
    if (seq === undefined || original === undefined) return
    if (!waiting.has(original.state))
      return store.note({ seq }, 'taken back too late', `it was ${original.state}`)
    store.setInboxState(original.seq, 'cancelled')
    store.note({ seq: original.seq }, 'taken back while it waited')
    // What was taken back does not tell any more in which thread it stood.
    this.#flow.notices.withdraw(queueKey(original.seq), original.inbound.place)
  }

  #received(seq: number): void {
    this.#flow.store.note({ seq }, 'received')
    this.#flow.store.note({ seq }, 'authorised')
  }

  /** A message is in the queue: it runs at once, or its sender is told that it waits. */
  async #queued(seq: number, message: Message, strand: string): Promise<void> {
    const { place, messageId } = message
    const conversation = this.#flow.conversation(place, strand)
    mark(this.#flow.transports.get(place.transport), place, messageId, 'seen')
    const { running } = conversation
    const waits = running !== undefined || (conversation.busy && message.partial !== true)
    const queue = this.#flow.store.inboundsIn('queued', place.key, strand)
    const ahead = queue.filter((row) => row.seq < seq)
    const last = ahead.at(-1)
    const self = queue.find((row) => row.seq === seq)
    if (waits && self !== undefined && !(last !== undefined && belongsTogether(last, self))) {
      const steerable = running !== undefined && conversation.chosen.provider.steer !== undefined
      const asking = (running?.asks.waiting ?? 0) > 0
      const notice = queueNotice(seq, message, { ahead: ahead.length, steerable, asking })
      await this.#flow.keep(() => this.#flow.notices.say(notice))
    }
    conversation.wake()
  }
}

function stripped({
  attachments: _files,
  replyTo: _answered,
  forwardedFrom: _said,
  ...bare
}: Message): Message {
  return { ...bare, text: '' }
}
