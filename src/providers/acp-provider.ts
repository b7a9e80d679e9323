import type { ProviderDeps } from '../core/define.ts'
import type { Place } from '../core/message.ts'
import type {
  ModelList,
  PermissionAnswer,
  Provider,
  ProviderHealth,
  SessionSummary,
  Turn,
  TurnEvent,
  UnpromptedTurn,
} from '../core/provider.ts'
import type { AcpAgent } from './acp-agent.ts'
import { AcpHost } from './acp-host.ts'
import { inUse, openSession } from './acp-open.ts'
import { strandKey } from './acp-session.ts'
import { AcpSettings } from './acp-settings.ts'
import { readListed, readOpened } from './acp-wire.ts'
import { untilAborted } from './until-aborted.ts'

/** Pages of an agent's list of sessions. */
const pagesRead = 5

/** An agent that speaks the Agent Client Protocol, with one process for all conversations. */
export class AcpProvider implements Provider {
  readonly handoff?: (sessionId: string) => readonly string[]
  readonly #agent: AcpAgent
  readonly #deps: ProviderDeps
  readonly #host: AcpHost
  /** Sessions that a turn goes on with: from its first moment on, while the agent is still asked to take them up. */
  readonly #claimed = new Set<string>()
  #models: ModelList = { models: [] }

  constructor(agent: AcpAgent, deps: ProviderDeps) {
    this.#agent = agent
    this.#deps = deps
    this.#host = new AcpHost(agent, deps)
    if (agent.handoff !== undefined) this.handoff = (sessionId) => agent.handoff?.(sessionId) ?? []
  }

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    if (signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    const { resume } = turn
    if (resume !== undefined && this.#claimed.has(resume))
      return yield { type: 'turn.ended', stop: 'failed', error: inUse }
    if (resume !== undefined) this.#claimed.add(resume)
    this.#host.hold()
    try {
      const opening = yield* openSession(this.#host, turn, signal)
      if (opening === 'aborted' || signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
      if ('session' in opening) return yield* opening.session.run(turn, signal)
      if (opening.spoke || this.#agent.oneShot === undefined)
        return yield { type: 'turn.ended', stop: 'failed', error: opening.error }
      this.#deps.log.warn({ why: opening.error }, 'the agent does not begin to speak the protocol')
      yield* this.#agent.oneShot(turn, signal, this.#host.ledger)
    } finally {
      if (resume !== undefined) this.#claimed.delete(resume)
      this.#host.letGo()
    }
  }

  answer(turnId: string, requestId: string, answer: PermissionAnswer): boolean {
    return this.#host.running(turnId)?.answer(requestId, answer) ?? false
  }

  reply(turnId: string, questionId: string, answers: readonly (readonly string[])[]): boolean {
    return this.#host.running(turnId)?.reply(questionId, answers) ?? false
  }

  interrupt(turnId: string): Promise<boolean> {
    const running = this.#host.running(turnId)
    if (running === undefined || running.ending !== undefined) return Promise.resolve(false)
    running.interrupt()
    return Promise.resolve(true)
  }

  listen(receive: (turn: UnpromptedTurn) => void): void {
    this.#host.receive = receive
  }

  async models(signal: AbortSignal): Promise<ModelList> {
    const known = this.#host.sessions.map(({ models }) => models).find(({ length }) => length > 0)
    if (known !== undefined) this.#models = { models: known }
    else if (this.#models.models.length === 0)
      this.#models = { models: await this.#host.holding(() => this.#askForModels(signal)) }
    return this.#models
  }

  async sessions(cwd: string, signal: AbortSignal): Promise<readonly SessionSummary[]> {
    if (this.#agent.sessions !== undefined) return await this.#agent.sessions(cwd)
    return await this.#host.holding(() => this.#askForSessions(cwd, signal))
  }

  async release(place: Place, strand: string): Promise<void> {
    const key = strandKey({ place, strand })
    const session = this.#host.sessions.find((each) => each.strand === key && !each.busy)
    if (session !== undefined) await this.#host.release(session)
  }

  check(signal: AbortSignal): Promise<ProviderHealth> {
    return this.#agent.check?.(signal) ?? this.#host.holding(() => this.#greet(signal))
  }

  close(): Promise<void> {
    return this.#host.close()
  }

  /** Only a session tells what models there are. */
  async #askForModels(signal: AbortSignal): Promise<ModelList['models']> {
    const { home } = this.#deps
    const started = await untilAborted(this.#host.start(home), signal)
    if (started === 'aborted' || !started.ok) return []
    const { process } = started
    const asked = process.request('session/new', { cwd: home, mcpServers: [] })
    const answer = await untilAborted(asked, signal)
    if (answer === 'aborted' || !answer.ok) return []
    const told = readOpened(answer.result)
    const { sessionId = '' } = told
    if (process.abilities.close) void process.request('session/close', { sessionId })
    return new AcpSettings(sessionId, told).models
  }

  async #askForSessions(cwd: string, signal: AbortSignal): Promise<readonly SessionSummary[]> {
    const started = await untilAborted(this.#host.start(cwd), signal)
    if (started === 'aborted' || !started.ok || !started.process.abilities.list) return []
    const found: SessionSummary[] = []
    let cursor: string | null | undefined
    for (let page = 0; page < pagesRead && cursor !== null; page += 1) {
      const asked = started.process.request('session/list', { cwd, ...(cursor ? { cursor } : {}) })
      const answer = await untilAborted(asked, signal)
      const listed = answer !== 'aborted' && answer.ok ? readListed(answer.result) : undefined
      const here = (listed?.sessions ?? []).filter((each) => each.cwd === cwd)
      for (const { sessionId: id, title, updatedAt } of here)
        found.push({ id, title: title ?? id, updatedAt: Date.parse(updatedAt ?? '') || 0 })
      cursor = listed?.nextCursor ?? null
    }
    return found.toSorted((one, other) => other.updatedAt - one.updatedAt)
  }

  async #greet(signal: AbortSignal): Promise<ProviderHealth> {
    const started = await untilAborted(this.#host.start(this.#deps.home), signal)
    if (started === 'aborted') return { installed: true }
    if (!started.ok) return { installed: started.spoke, mend: started.sentence }
    const { version } = started.process.abilities
    return { installed: true, ...(version === undefined ? {} : { version }) }
  }
}
