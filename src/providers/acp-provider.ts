import { stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
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
import { isSignedOut, refusalSentence, type Refusal } from './acp-failure.ts'
import { AcpProcess, type Listener, type Started } from './acp-process.ts'
import { AcpSession, strandKey } from './acp-session.ts'
import { AcpSettings } from './acp-settings.ts'
import type { AcpTurn } from './acp-turn.ts'
import { readListed, readOpened } from './acp-wire.ts'

/** Pages of an agent's list of sessions. */
const pagesRead = 5

/** A session to run the turn in; or why there is none, and whether the agent spoke the protocol at all. */
type Opening =
  | { readonly session: AcpSession }
  | { readonly error: string; readonly spoke: boolean }
  | 'aborted'

/** An agent that speaks the Agent Client Protocol, with one process for all conversations. */
export class AcpProvider implements Provider {
  readonly handoff?: (sessionId: string) => readonly string[]
  readonly #agent: AcpAgent
  readonly #deps: ProviderDeps
  #started: Promise<Started> | undefined
  #process: AcpProcess | undefined
  /** Those of the process, in the order of their last use. */
  readonly #sessions = new Map<string, AcpSession>()
  readonly #running = new Map<string, AcpTurn>()
  #receive: ((turn: UnpromptedTurn) => void) | undefined
  #idle: NodeJS.Timeout | undefined
  #turnsBegun = 0
  #models: ModelList | undefined
  #closing: Promise<void> = Promise.resolve()

  constructor(agent: AcpAgent, deps: ProviderDeps) {
    this.#agent = agent
    this.#deps = deps
    if (agent.handoff !== undefined) this.handoff = (sessionId) => agent.handoff?.(sessionId) ?? []
  }

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    if (signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    const opening = yield* this.#open(turn, signal)
    if (opening === 'aborted' || signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    if ('session' in opening) return yield* opening.session.run(turn, signal)
    if (opening.spoke || this.#agent.oneShot === undefined)
      return yield { type: 'turn.ended', stop: 'failed', error: opening.error }
    this.#deps.log.warn({ why: opening.error }, 'the agent does not begin to speak the protocol')
    yield* this.#agent.oneShot(turn, signal)
  }

  answer(turnId: string, requestId: string, answer: PermissionAnswer): boolean {
    return this.#running.get(turnId)?.answer(requestId, answer) ?? false
  }

  interrupt(turnId: string): Promise<boolean> {
    const running = this.#running.get(turnId)
    if (running === undefined || running.ending !== undefined) return Promise.resolve(false)
    running.interrupt()
    return Promise.resolve(true)
  }

  listen(receive: (turn: UnpromptedTurn) => void): void {
    this.#receive = receive
  }

  async models(signal: AbortSignal): Promise<ModelList> {
    const known = [...this.#sessions.values()].map(({ models }) => models).find((models) => models.length > 0)
    if (known !== undefined) return (this.#models = { models: known })
    return (this.#models ??= { models: await this.#askForModels(signal) })
  }

  async sessions(cwd: string, signal: AbortSignal): Promise<readonly SessionSummary[]> {
    if (this.#agent.sessions !== undefined) return await this.#agent.sessions(cwd)
    const started = await untilAborted(this.#start(cwd), signal)
    if (started === 'aborted' || !started.ok || !started.process.abilities.list) return []
    const found: SessionSummary[] = []
    let cursor: string | undefined
    for (let page = 0; page < pagesRead; page += 1) {
      const asked = started.process.request('session/list', { cwd, ...(cursor ? { cursor } : {}) })
      const answer = await untilAborted(asked, signal)
      const listed = answer !== 'aborted' && answer.ok ? readListed(answer.result) : undefined
      for (const { sessionId, title, updatedAt, cwd: folder } of listed?.sessions ?? [])
        if (folder === cwd)
          found.push({ id: sessionId, title: title ?? sessionId, updatedAt: Date.parse(updatedAt ?? '') || 0 })
      cursor = listed?.nextCursor ?? undefined
      if (cursor === undefined) break
    }
    this.#rest()
    return found.toSorted((one, other) => other.updatedAt - one.updatedAt)
  }

  async release(place: Place, strand: string): Promise<void> {
    const key = strandKey({ place, strand })
    const session = [...this.#sessions.values()].find((each) => each.strand === key && !each.busy)
    if (session === undefined) return
    this.#sessions.delete(session.id)
    if (session.process.abilities.close)
      return void (await session.process.request('session/close', { sessionId: session.id }))
    // It holds the session as long as it lives.
    if (this.#running.size === 0) await this.close()
  }

  async check(signal: AbortSignal): Promise<ProviderHealth> {
    if (this.#agent.check !== undefined) return await this.#agent.check(signal)
    const started = await untilAborted(this.#start(this.#deps.home), signal)
    if (started === 'aborted') return { installed: true }
    this.#rest()
    if (!started.ok) return { installed: started.spoke, mend: started.sentence }
    const { version } = started.process.abilities
    return { installed: true, ...(version === undefined ? {} : { version }) }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const started = this.#started
    this.#started = undefined
    const ended = this.#closing.then(async () => {
      const process = await started
      if (process?.ok) await process.process.kill(this.#agent.patience.killMs, 'ductor was stopped.')
    })
    this.#closing = ended
    await ended
  }

  async *#open(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent, Opening> {
    if (!(await isFolder(turn.cwd)))
      return { error: `The folder ${turn.cwd} does not exist. Make it, or choose another one.`, spoke: true }
    const started = await untilAborted(this.#start(turn.cwd), signal)
    if (started === 'aborted') return 'aborted'
    if (!started.ok) return { error: started.sentence, spoke: started.spoke }
    const { process } = started
    if (turn.resume === undefined) return await this.#fresh(turn, process, signal)
    const warm = this.#sessions.get(turn.resume)
    if (warm?.taken === true)
      return { error: 'Another conversation uses this session. Wait until it is done.', spoke: true }
    if (warm !== undefined && warm.cwd === turn.cwd) return { session: warm }
    const taken = yield* this.#resume(turn, turn.resume, process, signal)
    if (taken !== 'lost') return taken
    const { name } = this.#agent
    const message = `${name} no longer has the earlier conversation; this is the start of a new one.`
    yield { type: 'notice', message }
    return await this.#fresh(turn, process, signal)
  }

  async #fresh({ cwd }: Turn, process: AcpProcess, signal: AbortSignal): Promise<Opening> {
    const answer = await untilAborted(process.request('session/new', { cwd, mcpServers: [] }), signal)
    if (answer === 'aborted') return 'aborted'
    if (!answer.ok) return this.#refused(answer.refusal)
    const told = readOpened(answer.result)
    if (told.sessionId === undefined)
      return { error: `${this.#agent.name} opened a session without a name.`, spoke: true }
    const session = this.#session(told.sessionId, cwd, true, process)
    session.opened(told)
    return { session }
  }

  async *#resume(
    { cwd }: Turn,
    sessionId: string,
    process: AcpProcess,
    signal: AbortSignal,
  ): AsyncGenerator<TurnEvent, Opening | 'lost'> {
    const { abilities } = process
    if (!abilities.resume && !abilities.load) return 'lost'
    const waitMs = (await this.#agent.loadsIn?.(sessionId)) ?? 0
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000)
      const message = `${this.#agent.name} can take up its earlier conversation in ${seconds} seconds; your message waits.`
      yield { type: 'notice', message }
      if ((await untilAborted(pause(waitMs), signal)) === 'aborted') return 'aborted'
    }
    // Before the request, for its history may be told at any time.
    const session = this.#session(sessionId, cwd, false, process)
    const method = abilities.resume ? 'session/resume' : 'session/load'
    const answer = await untilAborted(process.request(method, { sessionId, cwd, mcpServers: [] }), signal)
    if (answer === 'aborted' || !answer.ok) this.#sessions.delete(sessionId)
    if (answer === 'aborted') return 'aborted'
    if (!answer.ok)
      return answer.refusal.how === 'ended' || isSignedOut(answer.refusal)
        ? this.#refused(answer.refusal)
        : 'lost'
    session.opened(readOpened(answer.result))
    await this.#agent.afterLoad?.(sessionId)
    if (!abilities.resume && this.#agent.replaysLate === true) await session.replayed()
    return { session }
  }

  #refused(refusal: Refusal): Opening {
    return { error: refusalSentence(this.#agent, refusal), spoke: true }
  }

  #session(id: string, cwd: string, fresh: boolean, process: AcpProcess): AcpSession {
    const session = new AcpSession(id, cwd, fresh, {
      agent: this.#agent,
      process,
      log: this.#deps.log,
      receive: () => this.#receive,
      began: (turn) => this.#began(turn),
      ended: (turn) => this.#ended(turn, id),
    })
    this.#sessions.set(id, session)
    return session
  }

  #began(turn: AcpTurn): () => boolean {
    clearTimeout(this.#idle)
    const alone = this.#running.size === 0
    this.#running.set(turn.id, turn)
    this.#turnsBegun += 1
    const begun = this.#turnsBegun
    return () => alone && this.#turnsBegun === begun
  }

  #ended(turn: AcpTurn, sessionId: string): void {
    this.#running.delete(turn.id)
    const session = this.#sessions.get(sessionId)
    if (session !== undefined) {
      this.#sessions.delete(sessionId)
      if (session.process === this.#process) this.#sessions.set(sessionId, session)
    }
    this.#trim()
    this.#rest()
  }

  /** An agent that can forget a session need not remember more than so many. */
  #trim(): void {
    const spare = [...this.#sessions.values()].filter(({ busy }) => !busy)
    for (const session of spare.slice(0, Math.max(0, this.#sessions.size - this.#agent.maxWarm))) {
      if (!session.process.abilities.close) continue
      this.#sessions.delete(session.id)
      void session.process.request('session/close', { sessionId: session.id })
    }
  }

  /** Ends the process after a while, unless a turn begins. */
  #rest(): void {
    clearTimeout(this.#idle)
    if (this.#running.size > 0) return
    // An agent that cannot forget its sessions begins anew when they have become many.
    const full = this.#sessions.size > 4 * Math.max(1, this.#agent.maxWarm)
    this.#idle = setTimeout(() => void this.close(), full ? 0 : this.#agent.idleMs).unref()
  }

  #start(cwd: string): Promise<Started> {
    if (this.#started !== undefined && this.#process?.ended !== true) return this.#started
    this.#process = undefined
    const starting = this.#closing.then(() => this.#startNew(cwd))
    this.#started = starting
    return starting
  }

  async #startNew(cwd: string): Promise<Started> {
    const { command, name, patience, lineLimit } = this.#agent
    const [program, ...args] = command
    const started = await AcpProcess.start(
      name,
      { program, args, env: this.#deps.env, cwd, ...(lineLimit === undefined ? {} : { lineLimit }) },
      this.#listener(),
      this.#deps.log,
      patience,
    )
    if (!started.ok) {
      this.#started = undefined
      return started
    }
    this.#sessions.clear()
    this.#process = started.process
    void started.process.exit.then((exit) => {
      this.#deps.log.debug({ exit }, 'agent ended')
      for (const session of this.#sessions.values())
        if (session.process === started.process) session.lost(`${name} ended.`)
    })
    return started
  }

  #listener(): Listener {
    return {
      hear: (sessionId, update) => this.#sessions.get(sessionId)?.hear(update),
      ask: async (request, signal) =>
        (await this.#sessions.get(request.sessionId)?.ask(request, signal)) ?? { outcome: 'cancelled' },
      leftOut: (what) => {
        const { name } = this.#agent
        this.#deps.log.debug({ what }, 'an agent said something that was left out')
        for (const turn of this.#running.values()) turn.notice(`${name} wrote ${what}; it was left out.`)
      },
    }
  }

  async #askForModels(signal: AbortSignal): Promise<ModelList['models']> {
    const { home } = this.#deps
    const started = await untilAborted(this.#start(home), signal)
    if (started === 'aborted' || !started.ok) return []
    const { process } = started
    const answer = await untilAborted(
      process.request('session/new', { cwd: home, mcpServers: [] }),
      signal,
    )
    this.#rest()
    if (answer === 'aborted' || !answer.ok) return []
    const told = readOpened(answer.result)
    if (told.sessionId !== undefined && process.abilities.close)
      void process.request('session/close', { sessionId: told.sessionId })
    return new AcpSettings(told.sessionId ?? '', told).models
  }
}

/** What comes of the promise goes on, though nobody waits for it. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | 'aborted'> {
  if (signal.aborted) return Promise.resolve('aborted')
  const { promise: aborted, resolve } = Promise.withResolvers<'aborted'>()
  const abort = () => resolve('aborted')
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort))
}

async function isFolder(path: string): Promise<boolean> {
  const about = await stat(path).catch(() => undefined)
  return about?.isDirectory() === true
}
