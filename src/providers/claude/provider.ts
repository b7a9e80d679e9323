import type { ProviderDeps } from '../../core/define.ts'
import type { Place } from '../../core/message.ts'
import type {
  ModelList,
  PermissionAnswer,
  Provider,
  ProviderHealth,
  SessionSummary,
  Steered,
  Turn,
  TurnEvent,
  UnpromptedTurn,
} from '../../core/provider.ts'
import { UserError } from '../../core/user-error.ts'
import { untilAborted } from '../until-aborted.ts'
import { Warm } from '../warm.ts'
import { health } from './health.ts'
import { modelsOf, keptModels } from './models.ts'
import { ClaudeProcesses, type Settings } from './processes.ts'
import type { ClaudeSession, Patience } from './session.ts'
import { shapeOf } from './launch.ts'
import { listSessions } from './sessions.ts'
import type { Ending } from './turn.ts'
import type { OwnTurn } from './turns.ts'

/** How long one prompt a process is the rule, after a warm one could not be had. */
const oneShotMs = 10 * 60_000
const modelsKeptMs = 3600_000

const usualPatience: Patience = {
  interruptMs: 2000,
  killMs: 2000,
  startMs: 60_000,
  noticeMs: 5 * 60_000,
  stopMs: 30 * 60_000,
}

export interface ProviderSettings extends Settings {
  readonly idleMs: number
  readonly maxWarm: number
}

interface Kept {
  readonly shape: string
  readonly session: ClaudeSession
  readonly busy: boolean
  close(): Promise<void>
}

/** Claude Code, with one process for each strand of a place kept warm between its turns. */
export class ClaudeProvider implements Provider {
  readonly #settings: ProviderSettings
  readonly #deps: ProviderDeps
  readonly #processes: ClaudeProcesses
  readonly #warm: Warm<Kept>
  /** By turn. */
  readonly #running = new Map<string, { readonly key: string; readonly session: ClaudeSession }>()
  /** Sessions that a turn goes on with. */
  readonly #claimed = new Set<string>()
  #receive: ((turn: UnpromptedTurn) => void) | undefined
  #oneShotUntil = 0
  #models: { readonly list: ModelList; readonly until: number } | undefined

  constructor(settings: ProviderSettings, deps: ProviderDeps, patience: Partial<Patience> = {}) {
    this.#settings = settings
    this.#deps = deps
    this.#processes = new ClaudeProcesses(settings, deps, { ...usualPatience, ...patience })
    this.#warm = new Warm(settings)
  }

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    if (signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    // From the first moment on: while one looks whether the session is free, another may begin with it.
    const { resume } = turn
    if (resume !== undefined && this.#claimed.has(resume))
      return yield { type: 'turn.ended', stop: 'failed', error: atWork }
    if (resume !== undefined) this.#claimed.add(resume)
    try {
      yield* this.#run(turn, signal)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      yield { type: 'turn.ended', stop: 'failed', error: error.message }
    } finally {
      if (resume !== undefined) this.#claimed.delete(resume)
    }
  }

  answer(turnId: string, requestId: string, answer: PermissionAnswer): boolean {
    return this.#running.get(turnId)?.session.answer(turnId, requestId, answer) ?? false
  }

  reply(turnId: string, questionId: string, answers: readonly (readonly string[])[]): boolean {
    return this.#running.get(turnId)?.session.reply(turnId, questionId, answers) ?? false
  }

  async interrupt(turnId: string): Promise<boolean> {
    return (await this.#running.get(turnId)?.session.interrupt(turnId)) ?? false
  }

  async steer(turnId: string, prompt: string, attachments: Turn['attachments']): Promise<Steered> {
    return (await this.#running.get(turnId)?.session.steer(turnId, prompt, attachments)) ?? 'over'
  }

  listen(receive: (turn: UnpromptedTurn) => void): void {
    this.#receive = receive
  }

  async models(signal: AbortSignal): Promise<ModelList> {
    if (this.#models !== undefined && this.#models.until > performance.now()) return this.#models.list
    const list = modelsOf(await this.#processes.greet(signal)) ?? keptModels
    this.#models = { list, until: performance.now() + modelsKeptMs }
    return list
  }

  sessions(cwd: string, signal: AbortSignal): Promise<readonly SessionSummary[]> {
    return listSessions(cwd, this.#deps.env, signal)
  }

  handoff(sessionId: string): readonly string[] {
    return [...this.#settings.command, '--resume', sessionId]
  }

  async release(place: Place, strand: string): Promise<void> {
    await this.#warm.drop(keyOf(place, strand))
  }

  check(signal: AbortSignal): Promise<ProviderHealth> {
    return health(this.#settings.command, this.#deps, signal)
  }

  async close(): Promise<void> {
    const running = [...this.#running.values()].map(({ session }) => session.close())
    await Promise.all([this.#warm.close(), ...running])
  }

  async *#run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    const inUse = await this.#whyInUse(turn)
    if (inUse !== undefined) return yield { type: 'turn.ended', stop: 'failed', error: inUse }
    let ending = yield* this.#attempt(turn, signal)
    if (ending.fate === 'refused' && turn.resume !== undefined && !signal.aborted) {
      yield { type: 'notice', message: lost }
      const { resume: _session, grants: _allowed, ...fresh } = turn
      ending = yield* this.#attempt(fresh, signal)
    }
    yield ending.event
  }

  /** A warm process; where none can be had, one for this prompt alone. */
  async *#attempt(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent, Ending> {
    if (performance.now() > this.#oneShotUntil) {
      const ending = yield* this.#with(await this.#take(turn, signal), turn, signal)
      if (ending.fate !== 'mute' || signal.aborted) return ending
      this.#deps.log.warn({ why: ending.event.error }, 'claude cannot be kept running')
      const once = yield* this.#once(turn, signal)
      if (once.fate === 'mute') return ending
      this.#oneShotUntil = performance.now() + oneShotMs
      return once
    }
    return yield* this.#once(turn, signal)
  }

  async *#once(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent, Ending> {
    const ending = yield* told(
      this.#with(await this.#processes.start(turn, this.#host(turn), true), turn, signal),
    )
    return ending
  }

  async *#with(session: ClaudeSession, turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent, Ending> {
    this.#running.set(turn.id, { key: keyOf(turn.place, turn.strand), session })
    try {
      return yield* session.turn(turn, signal)
    } finally {
      this.#running.delete(turn.id)
      this.#keep(turn, session)
    }
  }

  async #take(turn: Turn, signal: AbortSignal): Promise<ClaudeSession> {
    const key = keyOf(turn.place, turn.strand)
    const kept = this.#warm.look(key)
    const fits =
      kept?.shape === shapeOf(turn) && kept.session.sessionId === turn.resume && kept.session.usable
    if (fits) {
      this.#warm.take(key)
      if ((await untilAborted(kept.session.adapt(turn), signal)) === true) return kept.session
      this.#warm.keep(key, kept)
    }
    // Two processes in one session would each go on with a branch of their own.
    await this.#warm.drop(key)
    return await this.#processes.start(turn, this.#host(turn), false)
  }

  #keep(turn: Turn, session: ClaudeSession): void {
    this.#processes.remember(session, turn.model)
    if (!session.usable) return void session.close()
    this.#warm.keep(keyOf(turn.place, turn.strand), {
      shape: shapeOf(turn),
      session,
      get busy() {
        return session.busy
      },
      close: () => session.close(),
    })
  }

  /** What a session needs of us for the turns that it begins by itself. */
  #host({ place, strand }: Turn) {
    const key = keyOf(place, strand)
    return {
      receive: (turn: OwnTurn, session: ClaudeSession): boolean => {
        if (this.#receive === undefined) return false
        this.#running.set(turn.id, { key, session })
        this.#receive({ ...turn, place, strand })
        return true
      },
      rested: (turnId: string): void => {
        this.#running.delete(turnId)
        const kept = this.#warm.look(key)
        // From now on it waits again.
        if (kept !== undefined) this.#warm.keep(key, kept)
      },
    }
  }

  /** Two processes must not go on with one session: neither two of ours nor one in a terminal. */
  async #whyInUse(turn: Turn): Promise<string | undefined> {
    const { resume, place, strand } = turn
    if (resume === undefined) return undefined
    const key = keyOf(place, strand)
    const others = [...this.#running.values()].filter((each) => each.key !== key)
    if (others.some(({ session }) => session.sessionId === resume)) return atWork
    for (const [other, { session }] of this.#warm.entries())
      if (other !== key && session.sessionId === resume) await this.#warm.drop(other)
    const kept = this.#warm.look(key)
    if (kept?.session.sessionId === resume && kept.session.usable) return undefined
    const pid = await this.#processes.whoElseHas(resume, kept?.session.pid)
    return pid === undefined
      ? undefined
      : `This session is open in a terminal on the agent’s machine (process ${pid}). Close it there and send this again, or send /new to begin another.`
  }
}

const atWork =
  'Another chat is at work in this session just now. Wait until it is done, or send /new to begin another.'

const lost = 'Claude no longer has the earlier conversation; this is the start of a new one.'

const alone =
  'Claude could not be kept running, so this message was run by itself: nothing can be asked or put in meanwhile.'

/** Says once that nothing can be asked, as soon as it is clear that Claude works this way. */
async function* told(events: AsyncGenerator<TurnEvent, Ending>): AsyncGenerator<TurnEvent, Ending> {
  let first = true
  for (;;) {
    const next = await events.next()
    if (next.done === true) return next.value
    if (first) yield { type: 'notice', message: alone }
    first = false
    yield next.value
  }
}

function keyOf({ key }: Place, strand: string): string {
  return JSON.stringify([key, strand])
}
