import type { TurnEvent, Usage } from '../../core/provider.ts'
import { Channel } from '../channel.ts'
import type { NotedProcess } from '../kill-tree.ts'
import { inputOf, TurnDecoder } from './decode.ts'
import { refusedResume, resultFailure } from './failure.ts'
import { duration, type Silence } from './silence.ts'
import type { Result } from './wire.ts'

type Ended = Extract<TurnEvent, { type: 'turn.ended' }>

/**
 * How a turn ended. `refused`: the session to resume is not there, and nothing was done. `mute`: not a word was heard of
 * the process, and nothing was done.
 */
export interface Ending {
  readonly event: Ended
  readonly fate?: 'refused' | 'mute'
}

/** Who cut a turn short: a person, or its own long silence (milliseconds). */
export type Cut = { readonly by: 'person' } | { readonly by: 'silence'; readonly ms: number }

/** A message that was put into a turn. `dropped`: Claude has thrown it away. */
export interface Steer {
  readonly words: string
  state: 'waits' | 'begun' | 'dropped'
}

/** A turn as its session sees it: what is known of it until it ends. */
export class ClaudeTurn {
  readonly id: string
  readonly signal: AbortSignal
  readonly channel = new Channel<TurnEvent>()
  readonly decoder = new TurnDecoder()
  /** The uuid that its prompt was sent with; undefined where Claude began by itself. */
  readonly promptId: string | undefined
  /** How far its prompt has come: Claude tells when it is queued and when it is begun, where it tells at all. */
  prompt: 'sent' | 'queued' | 'started' = 'sent'
  /** Messages that were put into it, by uuid. */
  readonly steers = new Map<string, Steer>()
  /** The ending that waits for them. */
  held: Ending | undefined
  ending: Ending | undefined
  cut: Cut | undefined
  /** The interrupt was confirmed: it cannot hit the next turn any more. */
  confirmed = false
  /** Claude has begun to work: it did not only ask for leave. */
  begun = false
  /** What it had started when it was cut. */
  tools: readonly NotedProcess[] = []
  silence: Silence | undefined
  toldNonsense = false
  readonly ended = Promise.withResolvers<void>()
  #usage: Usage = {}

  constructor(id: string, promptId: string | undefined, signal: AbortSignal) {
    this.id = id
    this.promptId = promptId
    this.signal = signal
  }

  /** Messages wait for Claude to begin with them. */
  get awaited(): boolean {
    return [...this.steers.values()].some(({ state }) => state === 'waits')
  }

  /** Adds one result to what the turn used; `costUsd` is that of this result alone. */
  count(result: Result, costUsd: number | undefined): void {
    const { contextTokens, model } = this.decoder
    const windows = result.modelUsage ?? {}
    const [only] = Object.values(windows)
    const window = (model === undefined ? undefined : windows[model]) ?? only
    this.#usage = {
      ...this.#usage,
      ...known({
        inputTokens: sum(this.#usage.inputTokens, inputOf(result.usage)),
        outputTokens: sum(this.#usage.outputTokens, result.usage?.output_tokens),
        costUsd: sum(this.#usage.costUsd, costUsd),
        contextTokens,
        contextWindow: window?.contextWindow,
      }),
    }
  }

  /** What a result says of the turn. Neither its name nor an exit code decides, but `is_error` and `terminal_reason`. */
  endingOf(result: Result): Ending {
    if (this.cut !== undefined || this.signal.aborted) return this.cutEnding()
    const reason = result.terminal_reason
    const text = result.result ? { text: result.result } : {}
    const common = { type: 'turn.ended' as const, usage: this.#usage, ...text }
    if (reason === 'max_turns' || reason === 'budget_exhausted')
      return { event: { ...common, stop: 'limit', error: limitWords(reason, result) } }
    if (result.is_error) {
      const error = resultFailure(result, this.decoder.resetsAt)
      return { ...this.failure(error), ...(refusedResume(result) ? { fate: 'refused' } : {}) }
    }
    // A message with priority cuts the text; what it said until then stands.
    if (reason && reason !== 'completed' && !(reason === 'aborted_streaming' && this.steers.size > 0))
      return this.failure(`Claude stopped early (${reason}). Send it again.`)
    return { event: { ...common, stop: result.stop_reason === 'refusal' ? 'refusal' : 'end_turn' } }
  }

  /** How a turn ends that was cut short. */
  cutEnding(): Ending {
    if (this.cut?.by === 'silence')
      return this.failure(
        `Claude said nothing for ${duration(this.cut.ms)}; the turn was ended. Send it again.`,
      )
    return { event: { type: 'turn.ended', stop: 'cancelled', usage: this.#usage } }
  }

  failure(error: string): Ending {
    return { event: { type: 'turn.ended', stop: 'failed', error, usage: this.#usage } }
  }
}

function limitWords(reason: string, { errors }: Result): string {
  const what = reason === 'max_turns' ? 'its limit of steps' : 'its budget'
  const words = (errors ?? []).join(' ')
  return `Claude has reached ${what}.${words === '' ? '' : ` It says: ${words}`}`
}

function sum(before: number | undefined, more: number | null | undefined): number | undefined {
  return typeof more === 'number' ? (before ?? 0) + more : before
}

function known(figures: { readonly [key in keyof Usage]: number | null | undefined }): Usage {
  return Object.fromEntries(Object.entries(figures).filter(([, figure]) => typeof figure === 'number'))
}
