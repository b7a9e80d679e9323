import type { ProviderDeps } from '../../core/define.ts'
import type { PermissionAnswer, Provider, ProviderHealth, Turn, TurnEvent } from '../../core/provider.ts'
import { CliProcess } from '../cli-process.ts'
import { ProcessLedger } from '../process-ledger.ts'
import { Warm } from '../warm.ts'
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

interface Kept {
  /** All that a turn must agree in to be run by this process. */
  readonly shape: string
  readonly session: ClaudeSession
  close(): Promise<void>
}

/** Claude Code, with one process per conversation kept warm between its turns. */
export class ClaudeProvider implements Provider {
  readonly #settings: Settings
  readonly #deps: ProviderDeps
  readonly #patience: Patience
  readonly #warm: Warm<Kept>
  readonly #running = new Map<string, ClaudeSession>()
  readonly #costs = new Map<string, number>()
  readonly #ledger: ProcessLedger

  constructor(
    settings: Settings,
    deps: ProviderDeps,
    patience: Patience = { interruptMs: 2000, killMs: 2000 },
  ) {
    this.#settings = settings
    this.#deps = deps
    this.#patience = patience
    this.#warm = new Warm(settings)
    this.#ledger = new ProcessLedger(deps.memory, deps.log)
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
      session = await this.#start(fresh)
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
    const running = [...this.#running.values()].map((session) => session.close())
    await Promise.all([this.#warm.close(), ...running])
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
    const key = keyOf(turn)
    const kept = this.#warm.look(key)
    const fits =
      kept?.shape === shapeOf(turn) && kept.session.sessionId === turn.resume && kept.session.usable
    if (fits) {
      this.#warm.take(key)
      return kept.session
    }
    // Two processes in one session would each go on with a branch of their own.
    await this.#warm.drop(key)
    return await this.#start(turn)
  }

  async #start(turn: Turn): Promise<ClaudeSession> {
    const [program = 'claude', ...first] = this.#settings.command
    const process = await CliProcess.start(
      {
        program,
        args: [...first, ...argumentsOf(turn), ...this.#settings.args],
        env: this.#deps.env,
        cwd: turn.cwd,
        ...(this.#settings.lineLimit === undefined ? {} : { lineLimit: this.#settings.lineLimit }),
      },
      this.#ledger,
    )
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
    if (!session.usable) return void session.close()
    this.#warm.keep(keyOf(turn), { shape: shapeOf(turn), session, close: () => session.close() })
  }

  #rememberCost(sessionId: string, cost: number): void {
    this.#costs.delete(sessionId)
    this.#costs.set(sessionId, cost)
    const [oldest] = this.#costs.keys()
    if (this.#costs.size > costsKept && oldest !== undefined) this.#costs.delete(oldest)
  }
}

function keyOf({ place, strand }: Turn): string {
  return JSON.stringify([place.key, strand])
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
