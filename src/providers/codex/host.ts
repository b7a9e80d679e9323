import type { Log } from '../../core/define.ts'
import type { Turn, TurnEvent } from '../../core/provider.ts'
import { CliProcess, type CliCommand, type Exit } from '../cli-process.ts'
import type { ProcessLedger } from '../process-ledger.ts'
import { AppServer, type Listener } from './app-server.ts'
import { untilAborted } from '../until-aborted.ts'
import { exitFailure, failed } from './failure.ts'
import { Limits } from './limits.ts'
import { RunningTurn, type Ended, type Patience } from './running-turn.ts'
import { Threads } from './threads.ts'
import { parseNotification, type Incoming } from './wire.ts'

/** `silent`: the program runs, or ran, but does not speak the protocol of the app server. */
export type Opened =
  | { readonly how: 'ready'; readonly host: CodexHost }
  | { readonly how: 'silent' }
  | { readonly how: 'not-started'; readonly sentence: string }

const agentsKept = 1000
/** Far above the longest line that was seen (1.1 MB, a tool's output). */
const lineLimit = 16 * 1024 * 1024

interface Around {
  readonly ledger: ProcessLedger
  readonly limits: Limits
  readonly log: Log
  readonly patience: Patience
  /** How many threads stay loaded between their turns. */
  readonly maxWarm: number
}

const cancelled: Ended = { type: 'turn.ended', stop: 'cancelled' }

/** One app server and the threads that are loaded in it. */
export class CodexHost implements Listener {
  readonly server: AppServer
  readonly #log: Log
  readonly #patience: Patience
  readonly #limits: Limits
  readonly #threads: Threads
  readonly #maxWarm: number
  readonly #running = new Map<string, RunningTurn>()
  /** The thread that an agent's thread belongs to. */
  readonly #parents = new Map<string, string>()
  #closing: Promise<void> | undefined

  static async open(command: CliCommand, around: Around): Promise<Opened> {
    const { ledger, log, patience } = around
    const process = await CliProcess.start({ lineLimit, ...command }, ledger)
    const host = new CodexHost(process, around)
    if (await host.server.begin(patience.startMs)) return { how: 'ready', host }
    await host.server.close()
    const exit = await host.server.exit
    log.warn({ exit }, 'codex app-server did not answer')
    return exit.how === 'not-started' ? exit : { how: 'silent' }
  }

  private constructor(process: CliProcess, { limits, log, patience, maxWarm }: Around) {
    this.#limits = limits
    this.#log = log
    this.#patience = patience
    this.#maxWarm = maxWarm
    this.server = new AppServer(process, this, log, patience.killMs)
    this.#threads = new Threads(this.server, log, (threadId) => this.#running.has(threadId))
    void this.server.exit.then((exit) => this.#lost(exit))
  }

  get usable(): boolean {
    return !this.server.ended && this.#closing === undefined
  }

  /** Runs a turn; gives all its events but the last. `ready` is given the turn before its prompt is sent. */
  async *turn(
    turn: Turn,
    signal: AbortSignal,
    ready: (running: RunningTurn, threadId: string) => void,
  ): AsyncGenerator<TurnEvent, Ended> {
    let found = await untilAborted(this.#threads.find(turn), signal)
    if (found === 'aborted') return cancelled
    if (found.how === 'gone') {
      yield {
        type: 'notice',
        message: 'Codex no longer has the earlier conversation; this is the start of a new one.',
      }
      const { resume: _, ...fresh } = turn
      found = await untilAborted(this.#threads.find(fresh), signal)
      if (found === 'aborted') return cancelled
    }
    if (found.how !== 'ready')
      return failed(found.how === 'failed' ? found.sentence : 'Codex could not begin a conversation.')
    const { threadId, loaded } = found
    yield { type: 'session.started', sessionId: threadId }
    if (signal.aborted) return cancelled
    if (this.#running.has(threadId))
      return failed('This conversation has a running turn. Send it when that has ended.')
    const running = new RunningTurn(turn, {
      server: this.server,
      threadId,
      limits: this.#limits,
      patience: this.#patience,
      log: this.#log,
      family: () => this.#family(threadId),
    })
    this.#running.set(threadId, running)
    try {
      ready(running, threadId)
      const settings = await untilAborted(this.#threads.settings(turn, loaded), signal)
      return settings === 'aborted' ? cancelled : yield* running.events(settings, signal)
    } finally {
      this.#running.delete(threadId)
      this.#threads.trim(this.#maxWarm)
    }
  }

  /** Makes a thread free for another program. False: only the end of the process would. */
  free(threadId: string): Promise<boolean> {
    return this.#threads.free(threadId)
  }

  hear(message: Extract<Incoming, { kind: 'request' | 'notification' }>): void {
    if (message.kind === 'request') return this.#asked(message)
    const notification = parseNotification(message.method, message.params)
    if (notification === undefined) return
    if (notification.method === 'account/rateLimits/updated') {
      const warning = this.#limits.update(notification.params.rateLimits)
      if (warning !== undefined) for (const running of this.#running.values()) running.notice(warning)
      return
    }
    if (notification.method === 'thread/started') {
      const { id, parentThreadId } = notification.params.thread
      if (parentThreadId) this.#adopt(id, parentThreadId)
      return
    }
    const { threadId } = notification.params
    const running = this.#running.get(threadId)
    if (running !== undefined) return running.hear(notification)
    // Of what an agent's own thread tells, only the end of a question matters here.
    if (notification.method === 'serverRequest/resolved') this.#root(threadId)?.hear(notification)
  }

  nonsense(bytes?: number): void {
    const what = bytes === undefined ? 'that made no sense' : `of ${Math.round(bytes / 1e6)} MB`
    this.#log.warn({ bytes }, 'codex wrote a line that could not be read')
    for (const running of this.#running.values())
      running.nonsense(`Codex wrote a line ${what}; it was left out.`)
  }

  /** Ends the process and whatever its tools left running. */
  close(): Promise<void> {
    this.#closing ??= this.server.close()
    return this.#closing
  }

  #asked({ id, method, params }: Extract<Incoming, { kind: 'request' }>): void {
    const threadId = threadOf(params)
    const running = threadId === undefined ? undefined : this.#root(threadId)
    if (running?.ask(id, method, params) === true) return
    this.#log.info({ method, threadId }, 'codex asked for something that nobody here can answer')
    this.server.reject(id)
  }

  #root(threadId: string): RunningTurn | undefined {
    let at: string | undefined = threadId
    for (let depth = 0; at !== undefined && depth < 10; depth += 1) {
      const running = this.#running.get(at)
      if (running !== undefined) return running
      at = this.#parents.get(at)
    }
    return undefined
  }

  #family(threadId: string): readonly string[] {
    const family = [threadId]
    // Grows while it is walked.
    for (const each of family)
      family.push(...[...this.#parents].filter(([, parent]) => parent === each).map(([child]) => child))
    return family
  }

  #adopt(child: string, parent: string): void {
    this.#parents.set(child, parent)
    const [oldest] = this.#parents.keys()
    if (this.#parents.size > agentsKept && oldest !== undefined) this.#parents.delete(oldest)
  }

  #lost(exit: Exit): void {
    this.#log.info({ exit }, 'codex app-server ended')
    const sentence =
      this.#closing === undefined ? exitFailure(exit, this.server.stderr) : 'Codex was ended with ductor.'
    for (const running of this.#running.values()) running.lose(sentence)
  }
}

function threadOf(params: unknown): string | undefined {
  const known =
    typeof params === 'object' && params !== null && 'threadId' in params ? params.threadId : undefined
  return typeof known === 'string' ? known : undefined
}
