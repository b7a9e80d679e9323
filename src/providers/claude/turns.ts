import { randomUUID } from 'node:crypto'
import type { TurnEvent, UnpromptedTurn } from '../../core/provider.ts'
import { unheard } from '../unheard.ts'
import type { SessionCost } from './cost.ts'
import { duration, Silence, type SilenceLimits } from './silence.ts'
import { ClaudeTurn, type Cut, type Ending } from './turn.ts'
import type { Message, Result } from './wire.ts'

/** A turn that Claude began, without where it belongs. */
export type OwnTurn = Omit<UnpromptedTurn, 'place' | 'strand'>

export interface TurnsDeps {
  readonly cost: SessionCost
  /** Ends a turn early. */
  readonly cut: (turn: ClaudeTurn, cut: Cut) => Promise<void>
  /** Resolves when nothing is left of what a turn that was cut had started. */
  readonly clear: (turn: ClaudeTurn) => Promise<void>
  readonly silence: SilenceLimits
  /** Milliseconds that a message put into a turn has to be taken after an answer that is complete. */
  readonly heldMs: number
  /** The process takes one prompt, and ends. */
  readonly oneShot: boolean
  /** Claude began a turn by itself. False: nobody wants to hear it. */
  readonly receive: (turn: OwnTurn) => boolean
  /** A turn is over; `own`: Claude had begun it. */
  readonly over: (turn: ClaudeTurn, own: boolean) => void
}

/** The turns of one process: the prompted one and the one that Claude began by itself, and when each of them is over. */
export class Turns {
  readonly #deps: TurnsDeps
  #prompted: ClaudeTurn | undefined
  #own: ClaudeTurn | undefined
  #tellsOfPrompts = false

  constructor(deps: TurnsDeps) {
    this.#deps = deps
  }

  get prompted(): ClaudeTurn | undefined {
    return this.#prompted
  }

  /** The turn that Claude began by itself. */
  get own(): ClaudeTurn | undefined {
    return this.#own
  }

  /** Both, as far as they are there. */
  get all(): readonly ClaudeTurn[] {
    return [this.#prompted, this.#own].filter((turn) => turn !== undefined)
  }

  /** The turn with this id, while it goes on. */
  running(id: string): ClaudeTurn | undefined {
    return this.all.find((turn) => turn.id === id && turn.ending === undefined)
  }

  /** A prompt is about to be sent; undefined: its reader has left. */
  prompt(turn: ClaudeTurn | undefined): void {
    this.#prompted = turn
  }

  /** Whose turn a message belongs to; Claude may begin one with it. */
  of(message: Message): ClaudeTurn | undefined {
    const turn = this.#of(message)
    // After an answer that was complete, only what was put in can be what Claude begins with.
    if (turn?.held !== undefined && begins(message))
      for (const steer of turn.steers.values()) steer.state = 'begun'
    return turn
  }

  #of(message: Message): ClaudeTurn | undefined {
    if (this.#own !== undefined) return this.#own
    const turn = this.#prompted
    const waits = this.#tellsOfPrompts && turn?.prompt !== 'started'
    if (turn !== undefined && turn.ending === undefined && !waits) return turn
    return begins(message) ? this.#beginOwn() : undefined
  }

  #beginOwn(): ClaudeTurn {
    const abort = new AbortController()
    const turn = new ClaudeTurn(randomUUID(), undefined, abort.signal)
    this.#own = turn
    this.watch(turn)
    abort.signal.addEventListener('abort', () => void this.#deps.cut(turn, { by: 'person' }))
    const { id } = turn
    const heard = this.#deps.receive({ id, events: this.#eventsOf(turn), stop: () => abort.abort() })
    if (!heard) turn.channel.end()
    return turn
  }

  async *#eventsOf(turn: ClaudeTurn): AsyncGenerator<TurnEvent> {
    const { cut, clear } = this.#deps
    try {
      yield* turn.channel
      await clear(turn)
      if (turn.ending !== undefined) yield turn.ending.event
    } finally {
      if (turn.ending === undefined) void cut(turn, { by: 'person' })
    }
  }

  /** Claude tells what becomes of the prompts that it is sent. */
  hearOfPrompt(uuid: string, state: string): void {
    this.#tellsOfPrompts = true
    const prompted = this.#prompted
    if (prompted !== undefined && uuid === prompted.promptId) {
      if (state === 'queued') prompted.prompt = 'queued'
      if (state === 'started') {
        prompted.prompt = 'started'
        // What Claude had begun by itself has become a part of this turn.
        if (this.#own !== undefined) this.finish(this.#own)
      }
      if (state === 'cancelled') this.finish(prompted, prompted.cutEnding())
    }
    for (const turn of this.all) {
      const steer = turn.steers.get(uuid)
      if (steer === undefined) continue
      if (state === 'started' || state === 'completed') steer.state = 'begun'
      if (state === 'cancelled') steer.state = 'dropped'
      if (state === 'cancelled' && turn.held !== undefined && !turn.awaited) this.finish(turn, turn.held)
    }
  }

  hearResult(turn: ClaudeTurn, result: Result): void {
    // An answer to nothing that this turn has begun with: it came late, and is not the answer to this prompt.
    const late = !turn.begun && !result.is_error && turn.cut === undefined && !this.#tellsOfPrompts
    if (late && !this.#deps.oneShot) return
    turn.count(result, this.#deps.cost.of(result))
    const ending = turn.endingOf(result)
    if (ending.event.stop !== 'end_turn' || !turn.awaited) return this.finish(turn, ending)
    // A message that came too late for this answer is answered right after it, and that belongs to the turn.
    turn.held = ending
    const wait = setTimeout(() => {
      if (turn.held === ending && turn.awaited) this.finish(turn, ending)
    }, this.#deps.heldMs)
    wait.unref()
  }

  finish(turn: ClaudeTurn, ending: Ending = endedWell): void {
    turn.ending ??= ending
    this.settle(turn)
  }

  /** An interrupt on its way must arrive before the next prompt does, or it would hit that. */
  settle(turn: ClaudeTurn): void {
    if (turn.ending === undefined || (turn.cut !== undefined && !turn.confirmed)) return
    this.#end(turn)
  }

  /** Nothing more can come: whatever runs has failed. `mute`: not a word was heard. */
  fail(error: string, mute: boolean): void {
    for (const turn of this.all) {
      const cut = turn.cut !== undefined || turn.signal.aborted
      const failure = { ...turn.failure(error), ...(mute ? { fate: 'mute' as const } : {}) }
      turn.ending ??= cut ? turn.cutEnding() : failure
      for (const steer of turn.steers.values()) if (steer.state === 'waits') steer.state = 'dropped'
      this.#end(turn)
    }
  }

  /** From now on its silence is told of, and ends it. */
  watch(turn: ClaudeTurn): void {
    const tell = (ms: number) =>
      turn.channel.put({
        type: 'notice',
        message: `Claude has said nothing for ${duration(ms)}. It may still be at work; /stop ends it.`,
      })
    const stop = (ms: number) => void this.#deps.cut(turn, { by: 'silence', ms })
    turn.silence = new Silence(this.#deps.silence, tell, stop)
  }

  #end(turn: ClaudeTurn): void {
    turn.silence?.end()
    // Whoever stops all has dropped it; else nobody would know that it was thrown away.
    if (!turn.signal.aborted)
      for (const { words, state } of turn.steers.values())
        if (state === 'dropped' || (state === 'waits' && turn.cut !== undefined))
          turn.channel.put(unheard(words))
    turn.channel.end()
    turn.ended.resolve()
    const own = turn === this.#own
    if (own) this.#own = undefined
    this.#deps.over(turn, own)
  }
}

const endedWell: Ending = { event: { type: 'turn.ended', stop: 'end_turn' } }

/** Does Claude begin something with this message, if it was quiet? */
function begins(message: Message): boolean {
  if (message.type === 'system') return message.subtype === 'init'
  if (message.type === 'control_request') return message.request.subtype === 'can_use_tool'
  return message.type === 'stream_event' || message.type === 'assistant'
}
