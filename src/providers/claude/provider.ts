import type { ProviderDeps } from '../../core/define.ts'
import type { PermissionAnswer, Provider, ProviderHealth, Turn, TurnEvent } from '../../core/provider.ts'
import { CliProcess } from '../cli-process.ts'
import { health } from './health.ts'
import { ClaudeSession, type Patience } from './session.ts'

const costsKept = 1000

export interface Settings {
  /** The program and its first arguments. */
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly idleMs: number
  readonly maxWarm: number
  readonly lineLimit?: number
}

interface Warm {
  /** All that a turn must agree in to be run by this process. */
  readonly shape: string
  readonly session: ClaudeSession
  timer?: NodeJS.Timeout
}

/** Claude Code, with one process per conversation kept warm between its turns. */
export class ClaudeProvider implements Provider {
  readonly #settings: Settings
  readonly #deps: ProviderDeps
  readonly #patience: Patience
  /** In the order of their last use. */
  readonly #warm = new Map<string, Warm>()
  readonly #running = new Map<string, ClaudeSession>()
  readonly #closing = new Set<Promise<void>>()
  readonly #costs = new Map<string, number>()

  constructor(
    settings: Settings,
    deps: ProviderDeps,
    patience: Patience = { interruptMs: 2000, killMs: 2000 },
  ) {
    this.#settings = settings
    this.#deps = deps
    this.#patience = patience
  }

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    if (signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    let session = await this.#take(turn)
    let ending = yield* this.#with(session, turn, signal)
    if (ending.refused && turn.resume !== undefined && !signal.aborted) {
      yield {
        type: 'notice',
        message: 'Claude no longer has the earlier conversation; this is the start of a new one.',
      }
      const { resume: _, ...fresh } = turn
      session = this.#start(fresh)
      ending = yield* this.#with(session, fresh, signal)
    }
    yield ending.event
  }

  answer(turnId: string, requestId: string, answer: PermissionAnswer): boolean {
    return this.#running.get(turnId)?.answer(requestId, answer) ?? false
  }

  check(signal: AbortSignal): Promise<ProviderHealth> {
    return health(this.#settings.command, this.#deps, signal)
  }

  async close(): Promise<void> {
    for (const key of this.#warm.keys()) this.#drop(key)
    for (const session of this.#running.values()) this.#end(session)
    await Promise.all(this.#closing)
  }

  async *#with(session: ClaudeSession, turn: Turn, signal: AbortSignal) {
    this.#running.set(turn.id, session)
    try {
      return yield* session.turn(turn, signal)
    } finally {
      this.#running.delete(turn.id)
      this.#keep(turn, session)
    }
  }

  async #take(turn: Turn): Promise<ClaudeSession> {
    const { key } = turn.place
    const warm = this.#warm.get(key)
    if (warm === undefined) return this.#start(turn)
    const fits = warm.shape === shapeOf(turn) && warm.session.sessionId === turn.resume && warm.session.usable
    if (!fits) {
      this.#drop(key)
      // Two processes in one session would each go on with a branch of their own.
      await Promise.all(this.#closing)
      return this.#start(turn)
    }
    clearTimeout(warm.timer)
    this.#warm.delete(key)
    return warm.session
  }

  #start(turn: Turn): ClaudeSession {
    const [program = 'claude', ...first] = this.#settings.command
    const process = new CliProcess({
      program,
      args: [...first, ...argumentsOf(turn), ...this.#settings.args],
      env: this.#deps.env,
      cwd: turn.cwd,
      ...(this.#settings.lineLimit === undefined ? {} : { lineLimit: this.#settings.lineLimit }),
    })
    const cost = turn.resume === undefined ? 0 : this.#costs.get(turn.resume)
    const past = {
      ...(turn.resume === undefined ? {} : { sessionId: turn.resume }),
      ...(cost === undefined ? {} : { cost }),
    }
    return new ClaudeSession(process, past, this.#deps.log, this.#patience)
  }

  #keep(turn: Turn, session: ClaudeSession): void {
    const { sessionId, cost } = session
    if (sessionId !== undefined && cost !== undefined) this.#rememberCost(sessionId, cost)
    if (!session.usable) return this.#end(session)
    const { key } = turn.place
    this.#drop(key)
    const timer = setTimeout(() => this.#drop(key), this.#settings.idleMs)
    timer.unref()
    this.#warm.set(key, { shape: shapeOf(turn), session, timer })
    for (const oldest of this.#warm.keys()) {
      if (this.#warm.size <= this.#settings.maxWarm) break
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    const warm = this.#warm.get(key)
    if (warm === undefined) return
    clearTimeout(warm.timer)
    this.#warm.delete(key)
    this.#end(warm.session)
  }

  #end(session: ClaudeSession): void {
    const closed = session.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }

  #rememberCost(sessionId: string, cost: number): void {
    this.#costs.delete(sessionId)
    this.#costs.set(sessionId, cost)
    const [oldest] = this.#costs.keys()
    if (this.#costs.size > costsKept && oldest !== undefined) this.#costs.delete(oldest)
  }
}

function shapeOf({ cwd, model, permissionMode }: Turn): string {
  return JSON.stringify([cwd, model, permissionMode])
}

function argumentsOf({ resume, model, permissionMode }: Turn): readonly string[] {
  return [
    '-p',
    '--input-format=stream-json',
    '--output-format=stream-json',
    '--verbose',
    '--include-partial-messages',
    '--permission-prompt-tool=stdio',
    ...(resume === undefined ? [] : ['--resume', resume]),
    ...(model === undefined ? [] : ['--model', model]),
    ...(permissionMode === 'ask' ? [] : ['--permission-mode', permissionMode]),
  ]
}
