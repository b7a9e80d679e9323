import type { Agent } from './agent.ts'
import { bring } from './attachments.ts'
import { burst, mostOfBurst } from './burst.ts'
import { chosenOf, type Chosen } from './chosen.ts'
import { mark, showTyping } from './courtesy.ts'
import type { Message, Place } from './message.ts'
import { promptOf } from './prompt.ts'
import type { Steered, UnpromptedTurn } from './provider.ts'
import { crowdNotice, queueKey } from './queue-notice.ts'
import { RunningTurn, type RunningTurnDeps } from './running-turn.ts'
import { setAside } from './set-aside.ts'
import type { InboxRow } from './store.ts'
import type { Transport } from './transport.ts'
import { endTurn } from './turn-end.ts'
import { bringingOf, turnEvents } from './turn-events.ts'
import type { Runner, TurnLimit } from './turn-limit.ts'
import { beginTurn, filesOf, preface } from './turn-start.ts'
import type { Part } from './view.ts'

export interface ConversationDeps extends RunningTurnDeps {
  readonly agent: Agent
  readonly transport: Transport | undefined
  readonly now: () => number
  readonly limit: TurnLimit
}

/** Whom the answers of other agents are from. */
export const otherAgent = 'agent'

const mostAttempts = 3
const setAsideWords =
  'A message could not be carried out, however often ductor tried, and was set aside. The log says why.'

/** One session of a place (its strand): its turns, one at a time, in the order in which their messages came. */
export class Conversation implements Runner {
  readonly place: Place
  readonly strand: string
  readonly #deps: ConversationDeps
  #running: RunningTurn | undefined
  #drained: Promise<void> = Promise.resolve()
  /** Until the last turn that was begun has ended. */
  #last: Promise<void> = Promise.resolve()
  /** What an agent has begun by itself and has not ended. */
  readonly #unprompted = new Set<UnpromptedTurn>()
  #answersInARow = 0
  #working = false
  /** Until there is room for another turn. */
  #crowdedOut = false
  /** Something may have come since the round began. */
  #again = false
  #closing = false
  #rest: NodeJS.Timeout | undefined

  constructor(place: Place, strand: string, deps: ConversationDeps) {
    this.place = place
    this.strand = strand
    this.#deps = deps
  }

  /** Something runs, or is about to. */
  get busy(): boolean {
    return this.#working || this.#running !== undefined
  }

  get running(): RunningTurn | undefined {
    return this.#running
  }

  /** Its next turn waits until fewer run elsewhere. */
  get crowdedOut(): boolean {
    return this.#crowdedOut
  }

  /** So many turns were begun by answers of other agents since a person has begun one. */
  get answersInARow(): number {
    return this.#answersInARow
  }

  get resting(): boolean {
    return (this.#running?.asks.waiting ?? 0) > 0
  }

  /** Nobody would miss it: it can be made again at any time. */
  get idle(): boolean {
    return !this.busy && this.#rest === undefined && this.#unprompted.size === 0
  }

  get chosen(): Chosen {
    const { agent, store } = this.#deps
    return chosenOf(agent, store.strand(this.place.key, this.strand))
  }

  /** There may be something to do. */
  wake(): void {
    this.#again = true
    if (this.#working || this.#closing) return
    this.#working = true
    this.#drained = this.#untilQuiet()
  }

  /** Ends the running turn, and what the agent has begun beside it. Resolves with whether there was a running one. */
  async stop(): Promise<boolean> {
    for (const turn of this.#unprompted) turn.stop()
    const running = this.#running
    if (running === undefined) return false
    await running.stop()
    return true
  }

  /** Puts a message into its running turn. */
  async steer(running: RunningTurn, message: Message): Promise<Steered> {
    const brought = await bring(message, this.place, bringingOf(this.#deps), running.abort.signal)
    return running.steer(promptOf(message, brought), filesOf(brought))
  }

  /** A turn that an agent began by itself: it is shown like any other, and the next one waits for it. */
  hearUnprompted(turn: UnpromptedTurn, by: Chosen): void {
    if (this.#closing) return turn.stop()
    this.#unprompted.add(turn)
    void this.#alone(() => this.#followUnprompted(turn, by))
      .catch((error: unknown) => {
        this.#deps.log.error({ err: error, place: this.place.key }, 'a turn of its own accord stumbled')
      })
      .finally(() => this.#unprompted.delete(turn))
  }

  /** Begins no other turn; lets the running one end for so long, then leaves it to the next start. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    clearTimeout(this.#rest)
    const limit = setTimeout(() => this.#running?.abort.abort(), graceMs)
    await this.#drained
    await this.#last
    clearTimeout(limit)
  }

  /** One turn at a time, in the order in which they were begun. */
  #alone<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(run)
    this.#last = settled(mine)
    return mine
  }

  async #untilQuiet(): Promise<void> {
    // A message that comes while a round ends asks for another one: between the last look and `working = false` nothing runs.
    while (this.#again && !this.#closing) {
      this.#again = false
      try {
        await this.#drain()
      } catch (error) {
        this.#deps.log.error({ err: error, place: this.place.key }, 'a conversation stumbled')
      }
    }
    this.#working = false
  }

  async #drain(): Promise<void> {
    clearTimeout(this.#rest)
    this.#rest = undefined
    const { limit } = this.#deps
    while (!this.#closing) {
      const due = this.#due()
      if (due === undefined) return
      await limit.enter(this, () => this.#sayThatItWaits(due[0]))
      this.#crowdedOut = false
      try {
        await this.#alone(() => this.#next())
      } finally {
        limit.leave(this)
      }
    }
  }

  /** What the next turn is of; undefined: there is nothing to run now. */
  #due(): readonly [InboxRow, ...InboxRow[]] | undefined {
    const queue = this.#deps.store.nextQueued(this.place.key, this.strand, mostOfBurst + 1)
    const { rows, waitMs } = burst(queue, this.#deps.now())
    const [first, ...more] = rows
    if (first === undefined) return undefined
    if (waitMs <= 0) return [first, ...more]
    clearTimeout(this.#rest)
    this.#rest = setTimeout(() => {
      this.#rest = undefined
      this.wake()
    }, waitMs)
    return undefined
  }

  async #sayThatItWaits({ seq, inbound }: InboxRow): Promise<void> {
    this.#crowdedOut = true
    const { keep, notices, store } = this.#deps
    if (inbound.kind !== 'message') return
    await keep(() =>
      store.transaction(() => {
        store.note({ seq }, 'waits', 'as many turns run as may run at once')
        notices.say(crowdNotice(seq, inbound))
      }),
    )
  }

  /** Runs what is at the head of the queue: what was due may have been taken back, or have grown. */
  async #next(): Promise<void> {
    const due = this.#closing ? undefined : this.#due()
    if (due !== undefined) await this.#attempt(due)
  }

  /** A message that ductor itself cannot carry out is set aside after its last attempt, and the next one has its turn. */
  async #attempt(rows: readonly [InboxRow, ...InboxRow[]]): Promise<void> {
    const { store, keep, log, notices } = this.#deps
    const attempts = await keep(() =>
      store.transaction(() => Math.max(...rows.map(({ seq }) => store.countAttempt(seq)))),
    )
    try {
      if (attempts > mostAttempts) throw new Error('ductor ended each time that it was begun')
      await this.#run(rows)
    } catch (error) {
      log.error({ err: error, place: this.place.key, attempts }, 'a turn could not be begun')
      if (attempts < mostAttempts) return
      await keep(() =>
        store.transaction(() => {
          for (const { seq } of rows) notices.withdraw(queueKey(seq), this.place)
          setAside(rows, { why: `after ${attempts} attempts`, words: setAsideWords }, this.#deps)
        }),
      )
    }
  }

  async #run(rows: readonly InboxRow[]): Promise<void> {
    const { transport, keep } = this.#deps
    const { place, strand, chosen } = this
    // In one go: whoever stops what runs finds it from the moment on in which its messages wait no more.
    const begun = await keep(() => {
      const start = beginTurn(rows, { ...this.#deps, place, strand, chosen })
      if (start === undefined) return undefined
      const { id, startedAt, message, over } = start
      return { message, running: this.#begin(id, startedAt, chosen, preface(strand, over), message) }
    })
    if (begun === undefined) return
    const { message, running } = begun
    this.#answersInARow = message.sender.id === otherAgent ? this.#answersInARow + 1 : 0
    try {
      mark(transport, place, message.messageId, 'working')
      const view = await running.follow(() =>
        turnEvents(running, message, { ...this.#deps, place, strand, chosen }),
      )
      if (this.#closing && view.stop === 'cancelled') return
      await endTurn(running, view, { ...this.#deps, place, chosen })
      mark(transport, place, message.messageId, view.stop === 'failed' ? 'failed' : 'done')
    } finally {
      this.#over(running)
    }
  }

  #begin(
    id: string,
    startedAt: number,
    { provider, providerName }: Chosen,
    before: readonly Part[],
    message?: Message,
  ): RunningTurn {
    const facts = {
      id,
      place: this.place,
      strand: this.strand,
      provider,
      providerName,
      startedAt,
      permissionTimeoutMs: this.#deps.agent.settings().permissionTimeoutMs,
      preface: before,
      ...(message?.group === true ? { replyTo: message.messageId } : {}),
    }
    const running = new RunningTurn(facts, this.#deps)
    this.#running = running
    void showTyping(this.#deps.transport, this.place, running.ended)
    return running
  }

  #over(running: RunningTurn): void {
    if (this.#running === running) this.#running = undefined
    running.resolveEnded()
  }

  async #followUnprompted(turn: UnpromptedTurn, by: Chosen): Promise<void> {
    if (this.#closing) return turn.stop()
    const { id } = turn
    const { store, keep, now } = this.#deps
    const { place, strand } = this
    const chosen = this.chosen.providerName === by.providerName ? this.chosen : by
    const startedAt = now()
    const running = await keep(() => {
      store.transaction(() => {
        store.startTurn({ id, place, strand, provider: chosen.providerName, startedAt })
        store.note({ turn: id }, 'turn started', `${chosen.providerName}, by itself, turn ${id}`)
      })
      return this.#begin(id, startedAt, chosen, preface(strand))
    })
    running.abort.signal.addEventListener('abort', () => turn.stop(), { once: true })
    try {
      const view = await running.follow(() => turn.events)
      if (this.#closing && view.stop === 'cancelled') return
      await endTurn(running, view, { ...this.#deps, place, chosen })
    } finally {
      this.#over(running)
      this.wake()
    }
  }
}

/** Resolves when the other has, however it ended. */
async function settled(promise: Promise<unknown>): Promise<void> {
  await Promise.allSettled([promise])
}
