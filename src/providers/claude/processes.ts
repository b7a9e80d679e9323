import type { ProviderDeps } from '../../core/define.ts'
import type { Turn } from '../../core/provider.ts'
import { CliProcess } from '../cli-process.ts'
import { ProcessLedger } from '../process-ledger.ts'
import { carriedOver } from './grants.ts'
import { argumentsOf, writeInstructions, writeTools, type PrivateFile } from './launch.ts'
import { whoHasOpen } from './open-elsewhere.ts'
import { ClaudeSession, type Patience } from './session.ts'
import type { OwnTurn } from './turns.ts'

const sessionsKnown = 1000

export interface Settings {
  /** The program and its first arguments. */
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly lineLimit?: number
}

/** Where the turns go that a session begins by itself. */
export interface Host {
  receive(turn: OwnTurn, session: ClaudeSession): boolean
  rested(turnId: string): void
}

/** Starts the processes, and knows what their sessions have cost. */
export class ClaudeProcesses {
  readonly #settings: Settings
  readonly #deps: ProviderDeps
  readonly #patience: Patience
  readonly #ledger: ProcessLedger
  /** US dollars by session: Claude goes on counting when a session is resumed. */
  readonly #costs = new Map<string, number>()
  /** Sessions that were given a model: Claude goes on with it, until it is told otherwise. */
  readonly #given = new Set<string>()

  constructor(settings: Settings, deps: ProviderDeps, patience: Patience) {
    this.#settings = settings
    this.#deps = deps
    this.#patience = patience
    this.#ledger = new ProcessLedger(deps.memory, deps.log)
  }

  /** A process for this turn and, unless it is `oneShot`, for those after it. Throws `UserError`. */
  async start(turn: Turn, host: Host, oneShot: boolean): Promise<ClaudeSession> {
    const instructions = await writeInstructions(turn, this.#deps.home)
    const tools = await writeTools(turn, this.#deps.home).catch(async (error: unknown) => {
      await instructions?.[Symbol.asyncDispose]()
      throw error
    })
    const left = turn.model === undefined && turn.resume !== undefined && this.#given.has(turn.resume)
    const args = argumentsOf(left ? { ...turn, model: 'default' } : turn, !oneShot, {
      instructions: instructions?.path,
      tools: tools?.path,
    })
    const process = await this.#spawn(args, turn.cwd)
    const { resume, model, effort, permissionMode } = turn
    const cost = resume === undefined ? 0 : this.#costs.get(resume)
    const session: ClaudeSession = new ClaudeSession(
      process,
      {
        permissionMode,
        carried: carriedOver(turn.grants ?? [], permissionMode),
        ...(resume === undefined ? {} : { sessionId: resume }),
        ...(cost === undefined ? {} : { cost }),
        ...(model === undefined ? {} : { model }),
        ...(effort === undefined ? {} : { effort }),
      },
      {
        log: this.#deps.log,
        patience: this.#patience,
        cwd: turn.cwd,
        oneShot,
        receive: (own) => host.receive(own, session),
        rested: (turnId) => host.rested(turnId),
      },
    )
    void removeAfter(session.begun, instructions)
    void removeAfter(session.begun, tools)
    return session
  }

  /** What a new Claude says when it is greeted; undefined where it does not answer. It runs no turn. */
  async greet(signal: AbortSignal): Promise<unknown> {
    const { home } = this.#deps
    const none = {
      id: '',
      place: { key: '', transport: '', chat: '' },
      strand: '',
      prompt: '',
      attachments: [],
    }
    const nobody = { receive: () => false, rested() {} }
    const session = await this.start({ ...none, cwd: home, permissionMode: 'ask' }, nobody, false)
    const close = () => void session.close()
    signal.addEventListener('abort', close, { once: true })
    try {
      return await session.greet()
    } finally {
      signal.removeEventListener('abort', close)
      await session.close()
    }
  }

  /** To be called after each turn. */
  remember({ sessionId, cost }: ClaudeSession, model: string | undefined): void {
    if (sessionId === undefined) return
    this.#given.delete(sessionId)
    if (model !== undefined) this.#given.add(sessionId)
    this.#costs.delete(sessionId)
    if (cost !== undefined) this.#costs.set(sessionId, cost)
    for (const kept of [this.#costs, this.#given])
      for (const oldest of kept.keys()) {
        if (kept.size <= sessionsKnown) break
        kept.delete(oldest)
      }
  }

  /** The pid of a Claude that is not `own` and has this session open. */
  async whoElseHas(sessionId: string, own: number | undefined): Promise<number | undefined> {
    // What an earlier run left behind is about to be ended, and is nobody's terminal.
    await this.#ledger.swept
    return await whoHasOpen(sessionId, this.#deps.env, own)
  }

  #spawn(args: readonly string[], cwd: string): Promise<CliProcess> {
    const [program = 'claude', ...first] = this.#settings.command
    const { lineLimit } = this.#settings
    return CliProcess.start(
      {
        program,
        args: [...first, ...args, ...this.#settings.args],
        env: this.#deps.env,
        cwd,
        ...(lineLimit === undefined ? {} : { lineLimit }),
      },
      this.#ledger,
    )
  }
}

async function removeAfter(read: Promise<void>, file: PrivateFile | undefined): Promise<void> {
  await read
  await file?.[Symbol.asyncDispose]()
}
