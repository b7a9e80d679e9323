import { randomUUID } from 'node:crypto'
import { setImmediate as handled, setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../core/define.ts'
import type { Model, Turn, TurnEvent, UnpromptedTurn } from '../core/provider.ts'
import type { AcpAgent } from './acp-agent.ts'
import type { AcpProcess } from './acp-process.ts'
import { promptBlocks } from './acp-prompt.ts'
import { AcpSettings } from './acp-settings.ts'
import { AcpTurn } from './acp-turn.ts'
import type { Opened, Update } from './acp-wire.ts'

/** A replay is over when nothing came for so long. Milliseconds. */
const replayQuietMs = 100
const replayPatienceMs = 10_000

type Last = Pick<Turn, 'place' | 'strand' | 'cwd' | 'permissionMode'>

/** What a session needs of its provider. */
export interface Surroundings {
  readonly agent: AcpAgent
  readonly process: AcpProcess
  readonly log: Log
  /** Takes what the agent begins by itself; undefined where nobody listens. */
  receive(): ((turn: UnpromptedTurn) => void) | undefined
  /** A turn began. Returns a look at whether it was the only one of the process since. */
  began(turn: AcpTurn): () => boolean
  ended(turn: AcpTurn): void
}

/** One conversation of an agent's process. One turn at a time. */
export class AcpSession {
  readonly id: string
  readonly cwd: string
  /** By which ductor's own tools know the chat that it was opened for. */
  readonly token: string | undefined
  readonly #around: Surroundings
  #settings: AcpSettings
  #running: AcpTurn | undefined
  /** What the agent said by itself, as long as it may go on. */
  #stray: AcpTurn | undefined
  #quiet: NodeJS.Timeout | undefined
  /** What comes outside a turn belongs to something old: a replay, or a turn that was stopped. */
  #deaf = true
  /** What comes now was not said by the model. */
  #settling = false
  #lastHeard = 0
  #replayed = false
  #fresh: boolean
  #cost: number | undefined
  #last: Last | undefined
  readonly #warned = new Set<string>()

  /** `fresh`: it has no history yet. */
  constructor(id: string, { cwd, tools }: Pick<Turn, 'cwd' | 'tools'>, fresh: boolean, around: Surroundings) {
    this.id = id
    this.cwd = cwd
    this.token = tools?.token
    this.#fresh = fresh
    this.#cost = fresh ? 0 : undefined
    this.#around = around
    this.#settings = new AcpSettings(id, {})
  }

  get process(): AcpProcess {
    return this.#around.process
  }

  /** Somebody's turn runs in it. */
  get taken(): boolean {
    return this.#running !== undefined
  }

  get busy(): boolean {
    return this.taken || this.#stray !== undefined
  }

  /** Where it was used last. */
  get strand(): string | undefined {
    return this.#last === undefined ? undefined : strandKey(this.#last)
  }

  get models(): readonly Model[] {
    return this.#settings.models
  }

  opened(told: Opened): void {
    this.#settings = new AcpSettings(this.id, told)
  }

  /** Resolves when the history of a loaded session was told. */
  async replayed(): Promise<void> {
    const end = performance.now() + replayPatienceMs
    const still = () => !this.#replayed || performance.now() - this.#lastHeard < replayQuietMs
    while (still() && performance.now() < end && !this.process.ended) await sleep(20)
  }

  /** Runs a turn; its last event is its end. */
  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    this.#endStray()
    this.#last = turn
    const running = this.#begin(turn)
    this.#running = running
    const stop = () => void running.stop('stopped')
    signal.addEventListener('abort', stop, { once: true })
    try {
      if (signal.aborted) stop()
      running.watch()
      yield { type: 'session.started', sessionId: this.id }
      void this.#prompt(running, turn)
      yield* running.events
      yield running.ending ?? { type: 'turn.ended', stop: 'failed', error: 'The turn was broken off.' }
    } finally {
      signal.removeEventListener('abort', stop)
      // The reader left before the end: nobody may go on in its name.
      if (running.ending === undefined) await running.stop('stopped')
      this.#cost = running.cost ?? this.#cost
      this.#deaf = running.ending?.stop !== 'end_turn'
      this.#running = undefined
      this.#around.ended(running)
    }
  }

  hear(update: Update | undefined): void {
    this.#lastHeard = performance.now()
    if (update === undefined) return
    switch (update.sessionUpdate) {
      case 'available_commands_update':
        this.#replayed = true
        return
      case 'config_option_update':
      case 'current_mode_update':
        return this.#settings.take(update)
      case 'user_message_chunk':
        return
      case 'agent_message_chunk':
      case 'agent_thought_chunk':
      case 'tool_call':
      case 'tool_call_update':
      case 'plan':
      case 'usage_update':
        if (this.#settling || this.#isAside(update)) return
        if (this.#running !== undefined) return this.#running.hear(update)
        if (!this.#deaf) this.#hearStray(update)
    }
  }

  /** What the agent asks of it is asked in this turn; undefined where nobody is there to answer. */
  get asking(): AcpTurn | undefined {
    return this.#running ?? this.#stray
  }

  /** Its process has ended. */
  lost(error: string): void {
    this.#stray?.fail(error)
  }

  async #prompt(running: AcpTurn, turn: Turn): Promise<void> {
    const { agent, process, log } = this.#around
    try {
      // Some agents tell a change of mode as if the model had said it.
      this.#settling = true
      const problem = await this.#settings.apply(turn, process, agent)
      await handled()
      this.#settling = false
      if (problem !== undefined) return running.fail(problem)
      this.#warn(running, turn)
      const { pictures } = process.abilities
      const blocks = await promptBlocks(turn, { fresh: this.#fresh, pictures })
      this.#fresh = false
      await running.prompt(blocks)
    } catch (error) {
      this.#settling = false
      log.error({ err: error }, 'a turn of an agent broke')
      running.fail('ductor itself failed in this turn; the log says more.')
    }
  }

  /** Once a session: what the agent cannot keep to. */
  #warn(running: AcpTurn, { permissionMode: mode }: Turn): void {
    if (this.#settings.knows(mode) || this.#warned.has(mode)) return
    this.#warned.add(mode)
    const { name } = this.#around.agent
    if (mode === 'plan')
      running.notice(`${name} has no mode for plans. It asks before it acts, as far as it asks.`)
    if (mode === 'readOnly')
      running.notice(
        `${name} has no mode for reading only. What it asks leave for is refused; it may not ask.`,
      )
  }

  #begin(turn: Pick<Turn, 'id' | 'cwd' | 'permissionMode'>): AcpTurn {
    const { agent, process, log } = this.#around
    let alone: (() => boolean) | undefined
    const begun = new AcpTurn(turn, {
      agent,
      process,
      log,
      sessionId: this.id,
      cost: this.#cost,
      modeKnown: () => this.#settings.knows(turn.permissionMode),
      alone: () => alone?.() === true,
    })
    alone = this.#around.began(begun)
    return begun
  }

  /** Text that is not the model's. */
  #isAside(update: Update): boolean {
    if (update.sessionUpdate !== 'agent_message_chunk' || update.content.type !== 'text') return false
    return this.#around.agent.asides?.test(update.content.text) === true
  }

  /** Only text begins a turn of the agent's own: what else it tells between turns nobody waits for. */
  #hearStray(update: Update): void {
    const receive = this.#around.receive()
    if (this.#stray === undefined) {
      const speaks = update.sessionUpdate === 'agent_message_chunk' && update.content.type === 'text'
      if (!speaks || receive === undefined || this.#last === undefined) return
      this.#stray = this.#beginStray(this.#last, receive)
    }
    this.#stray.hear(update)
    this.#quiet?.refresh()
  }

  #beginStray(last: Last, receive: (turn: UnpromptedTurn) => void): AcpTurn {
    const { cwd, permissionMode, place, strand } = last
    const stray = this.#begin({ id: randomUUID(), cwd, permissionMode })
    this.#quiet = setTimeout(() => this.#endStray(), this.#around.agent.patience.strayMs).unref()
    const events = eventsOf(stray, this.id)
    receive({ id: stray.id, place, strand, events, stop: () => void stray.stop('stopped') })
    return stray
  }

  #endStray(): void {
    const stray = this.#stray
    if (stray === undefined) return
    clearTimeout(this.#quiet)
    this.#stray = undefined
    stray.finish()
    this.#cost = stray.cost ?? this.#cost
    this.#around.ended(stray)
  }
}

async function* eventsOf(turn: AcpTurn, sessionId: string): AsyncGenerator<TurnEvent> {
  yield { type: 'session.started', sessionId }
  yield* turn.events
  if (turn.ending !== undefined) yield turn.ending
}

export function strandKey({ place, strand }: Pick<Turn, 'place' | 'strand'>): string {
  return JSON.stringify([place.key, strand])
}
