import type { ProviderDeps } from '../core/define.ts'
import type { Turn, UnpromptedTurn } from '../core/provider.ts'
import type { AcpAgent } from './acp-agent.ts'
import { AcpProcess, type Listener, type Started } from './acp-process.ts'
import { AcpSession } from './acp-session.ts'
import type { AcpTurn } from './acp-turn.ts'
import { ProcessLedger } from './process-ledger.ts'
import { Warm, type Keepable } from './warm.ts'

/** What the one process is kept as. */
const shelf = 'agent'

/** The one process of an agent, with its sessions: started when it is needed, kept warm, ended when nobody came. */
export class AcpHost {
  readonly agent: AcpAgent
  readonly ledger: ProcessLedger
  /** Takes what the agent begins by itself. */
  receive: ((turn: UnpromptedTurn) => void) | undefined
  readonly #deps: ProviderDeps
  readonly #warm: Warm<Keepable>
  /** Those of the process, in the order of their last use. */
  readonly #sessions = new Map<string, AcpSession>()
  readonly #running = new Map<string, AcpTurn>()
  #started: Promise<Started> | undefined
  #process: AcpProcess | undefined
  #kept: Keepable | undefined
  /** How many use the process now. */
  #users = 0
  #turnsBegun = 0

  constructor(agent: AcpAgent, deps: ProviderDeps) {
    this.agent = agent
    this.#deps = deps
    this.ledger = new ProcessLedger(deps.memory, deps.log)
    this.#warm = new Warm({ idleMs: agent.idleMs, maxWarm: 1 })
  }

  get sessions(): readonly AcpSession[] {
    return [...this.#sessions.values()]
  }

  session(id: string): AcpSession | undefined {
    return this.#sessions.get(id)
  }

  /** `turnId`: of a turn, or of what the agent began by itself. */
  running(turnId: string): AcpTurn | undefined {
    return this.#running.get(turnId)
  }

  /** The process, which is not ended as long as `act` uses it. */
  async holding<T>(act: () => Promise<T>): Promise<T> {
    this.hold()
    try {
      return await act()
    } finally {
      this.letGo()
    }
  }

  hold(): void {
    this.#users += 1
    this.#warm.take(shelf)
  }

  /** Lets the process wait for another turn, where nobody uses it any more. */
  letGo(): void {
    this.#users -= 1
    if (this.#users > 0 || this.#kept === undefined || this.#process?.ended !== false) return
    this.#trim()
    // An agent that cannot forget its sessions begins anew when they have become many.
    if (this.#sessions.size > 4 * Math.max(1, this.agent.maxWarm)) return void this.#kept.close()
    this.#warm.keep(shelf, this.#kept)
  }

  /** The process that there is, or a new one, which begins in the folder `cwd`. */
  start(cwd: string): Promise<Started> {
    if (this.#started !== undefined && this.#process?.ended !== true) return this.#started
    const before = this.#kept
    this.#process = undefined
    this.#started = this.#start(cwd, before).catch((error: unknown) => {
      // What failed once need not fail again.
      this.#started = undefined
      throw error
    })
    return this.#started
  }

  /** `fresh`: it has no history yet. */
  add(id: string, opened: Pick<Turn, 'cwd' | 'tools'>, fresh: boolean, process: AcpProcess): AcpSession {
    const session = new AcpSession(id, opened, fresh, {
      agent: this.agent,
      process,
      log: this.#deps.log,
      receive: () => this.receive,
      began: (turn) => this.#began(turn),
      ended: (turn) => this.#ended(turn, id),
    })
    this.#sessions.set(id, session)
    return session
  }

  forget(sessionId: string): void {
    this.#sessions.delete(sessionId)
  }

  /** Lets go of a session, so that another program can use it. */
  async release(session: AcpSession): Promise<void> {
    this.forget(session.id)
    if (session.process.abilities.close)
      await session.process.request('session/close', { sessionId: session.id })
    // Otherwise it holds the session as long as it lives.
    else await this.#warm.drop(shelf)
  }

  /** Ends the process, whoever uses it. */
  async close(): Promise<void> {
    await this.#warm.close()
    const started = await this.#started
    if (started?.ok === true)
      await started.process.kill(this.agent.patience.killMs, 'The turn ended because ductor did.')
  }

  async #start(cwd: string, before: Keepable | undefined): Promise<Started> {
    // Two processes in one session would each go on with a branch of their own.
    await before?.close()
    const { command, name, patience, lineLimit } = this.agent
    const [program, ...args] = command
    const started = await AcpProcess.start(
      this.agent,
      { program, args, env: this.#deps.env, cwd, ...(lineLimit === undefined ? {} : { lineLimit }) },
      this.#listener(),
      { log: this.#deps.log, ledger: this.ledger },
    )
    if (!started.ok) {
      this.#started = undefined
      return started
    }
    this.#sessions.clear()
    const { process } = started
    this.#process = process
    this.#kept = { close: () => process.kill(patience.killMs, `${name} was ended.`) }
    void this.#mourn(process)
    return started
  }

  async #mourn(process: AcpProcess): Promise<void> {
    const exit = await process.exit
    this.#deps.log.debug({ exit }, 'agent ended')
    for (const session of this.#sessions.values())
      if (session.process === process) session.lost(`${this.agent.name} ended.`)
  }

  #listener(): Listener {
    return {
      hear: (sessionId, update) => this.session(sessionId)?.hear(update),
      permission: async (request, signal) =>
        (await this.session(request.sessionId)?.asking?.permission(request, signal)) ?? {
          outcome: 'cancelled',
        },
      question: async (form, signal) =>
        (await this.session(form.sessionId)?.asking?.question(form, signal)) ?? { action: 'cancel' },
      leftOut: (what) => {
        this.#deps.log.debug({ what }, 'an agent said something that was left out')
        for (const turn of this.#running.values())
          turn.notice(`${this.agent.name} wrote ${what}; it was left out.`)
      },
    }
  }

  #began(turn: AcpTurn): () => boolean {
    this.hold()
    const alone = this.#running.size === 0
    this.#running.set(turn.id, turn)
    this.#turnsBegun += 1
    const begun = this.#turnsBegun
    return () => alone && this.#turnsBegun === begun
  }

  #ended(turn: AcpTurn, sessionId: string): void {
    this.#running.delete(turn.id)
    const session = this.session(sessionId)
    this.forget(sessionId)
    // At the end of the order.
    if (session !== undefined && session.process === this.#process) this.#sessions.set(sessionId, session)
    this.letGo()
  }

  /** An agent that can forget a session need not remember more than so many. */
  #trim(): void {
    const over = Math.max(0, this.#sessions.size - this.agent.maxWarm)
    const spare = this.sessions.filter(({ busy, process }) => !busy && process.abilities.close)
    for (const session of spare.slice(0, over)) void this.release(session)
  }
}
