import type { Log } from '../../core/define.ts'
import type { PermissionMode, Turn, TurnEvent } from '../../core/provider.ts'
import { CliProcess, type CliCommand, type Exit } from '../cli-process.ts'
import type { ProcessLedger } from '../process-ledger.ts'
import { AppServer, type Listener } from './app-server.ts'
import { exitFailure, failed, inUse, said } from './failure.ts'
import { Limits } from './limits.ts'
import { permissionsOf, threadPermissions, withTools } from './permissions.ts'
import { RunningTurn, type Ended, type Patience } from './running-turn.ts'
import { parseNotification, replies, type Incoming } from './wire.ts'

/** What a thread that is loaded was last told, as far as the next turn may have to say it anew. */
interface Loaded {
  readonly mode: PermissionMode
  cwd: string
  /** Is it in Codex' plan mode? Undefined where an earlier process may have left it in either. */
  plan: boolean | undefined
  /** The model that answers; undefined where Codex did not say. */
  model: string | undefined
  /** Was the model chosen by a turn, and not by Codex' own configuration? */
  chosen: boolean
  effort: string | undefined
}

/** `silent`: the program runs, or ran, but does not speak the protocol of the app server. */
export type Opened =
  | { readonly how: 'ready'; readonly host: CodexHost }
  | { readonly how: 'silent' }
  | { readonly how: 'not-started'; readonly sentence: string }

type Found =
  | { readonly how: 'ready'; readonly threadId: string; readonly loaded: Loaded }
  | { readonly how: 'gone' }
  | { readonly how: 'failed'; readonly sentence: string }

const gone = /no rollout found|not found|invalid (session|thread) id/i
const agentsKept = 1000
/** Far above the longest line that was seen (1.1 MB, a tool's output). */
const lineLimit = 16 * 1024 * 1024

/** One app server and the threads that are loaded in it. */
export class CodexHost implements Listener {
  readonly server: AppServer
  readonly #log: Log
  readonly #patience: Patience
  readonly #limits: Limits
  readonly #threads = new Map<string, Loaded>()
  readonly #running = new Map<string, RunningTurn>()
  /** The thread that an agent's thread belongs to. */
  readonly #parents = new Map<string, string>()
  #closing: Promise<void> | undefined

  static async open(
    command: CliCommand,
    ledger: ProcessLedger,
    limits: Limits,
    log: Log,
    patience: Patience,
  ): Promise<Opened> {
    const process = await CliProcess.start({ lineLimit, ...command }, ledger)
    const host = new CodexHost(process, limits, log, patience)
    if (await host.server.begin(patience.startMs)) return { how: 'ready', host }
    await host.server.close()
    const exit = await host.server.exit
    log.warn({ exit }, 'codex app-server did not answer')
    return exit.how === 'not-started' ? exit : { how: 'silent' }
  }

  private constructor(process: CliProcess, limits: Limits, log: Log, patience: Patience) {
    this.#limits = limits
    this.#log = log
    this.#patience = patience
    this.server = new AppServer(process, this, log, patience.killMs)
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
    let found = await this.#find(turn)
    if (found.how === 'gone') {
      yield {
        type: 'notice',
        message: 'Codex no longer has the earlier conversation; this is the start of a new one.',
      }
      const { resume: _, ...fresh } = turn
      found = await this.#find(fresh)
    }
    if (found.how !== 'ready')
      return failed(found.how === 'failed' ? found.sentence : 'Codex could not begin a conversation.')
    const { threadId, loaded } = found
    yield { type: 'session.started', sessionId: threadId }
    if (signal.aborted) return { type: 'turn.ended', stop: 'cancelled' }
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
      return yield* running.events(await this.#settings(turn, loaded), signal)
    } finally {
      this.#running.delete(threadId)
    }
  }

  /** Makes a thread free for another program. False: only the end of the process would. */
  async free(threadId: string): Promise<boolean> {
    if (this.#running.has(threadId)) return false
    if (!this.#threads.delete(threadId)) return true
    // Unsubscribing keeps the thread for its writer; archiving closes it, and leaves nothing behind when taken back.
    const archived = await this.server.request('thread/archive', { threadId }, replies.anything)
    if (archived.how !== 'done') return false
    const back = await this.server.request('thread/unarchive', { threadId }, replies.anything)
    if (back.how !== 'done') this.#log.error({ threadId }, 'a codex session stayed archived')
    return back.how === 'done'
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

  async #find(turn: Turn): Promise<Found> {
    const { resume, cwd, model, permissionMode } = turn
    const known = resume === undefined ? undefined : this.#threads.get(resume)
    if (resume !== undefined && known?.mode === permissionMode)
      return { how: 'ready', threadId: resume, loaded: known }
    // What it may do is said when a thread is loaded, and then no more.
    if (resume !== undefined && known !== undefined && !(await this.free(resume)))
      return { how: 'failed', sentence: 'Codex could not change what it may do here. Send it again.' }
    const common = {
      cwd,
      ...withTools(threadPermissions(permissionsOf(permissionMode)), turn.tools),
      ...(model === undefined ? {} : { model }),
    }
    const reply = await (resume === undefined
      ? this.server.request(
          'thread/start',
          {
            ...common,
            ...(turn.instructions === undefined ? {} : { developerInstructions: turn.instructions }),
          },
          replies.thread,
        )
      : this.server.request(
          'thread/resume',
          { ...common, threadId: resume, excludeTurns: true },
          replies.thread,
        ))
    if (reply.how === 'lost')
      return { how: 'failed', sentence: exitFailure(await this.#ended(), this.server.stderr) }
    if (reply.how === 'refused') return refusal(reply.words, resume)
    const { id } = reply.result.thread
    // A resume that begins anew would lose what was said before without a word.
    if (resume !== undefined && id !== resume) return { how: 'gone' }
    const loaded: Loaded = {
      mode: permissionMode,
      cwd,
      plan: resume === undefined ? false : undefined,
      model: reply.result.model ?? undefined,
      // The terminal, or an earlier turn, may have chosen another one than the configuration has.
      chosen: resume !== undefined || model !== undefined,
      effort: resume === undefined ? undefined : '',
    }
    this.#threads.set(id, loaded)
    return { how: 'ready', threadId: id, loaded }
  }

  /** What `turn/start` is told beside the prompt. A thread keeps what it was told last, so all that changed is said. */
  async #settings(turn: Turn, loaded: Loaded): Promise<object> {
    const { plan } = permissionsOf(turn.permissionMode)
    const usual = await this.#usual(turn, loaded)
    const model = turn.model ?? usual.model
    const effort = turn.effort ?? usual.effort
    // To say the same folder again takes Codex some milliseconds.
    const moved = turn.cwd !== loaded.cwd
    loaded.cwd = turn.cwd
    const saysMode = plan || loaded.plan !== plan
    loaded.plan = plan
    loaded.model = model ?? loaded.model
    loaded.chosen = turn.model !== undefined
    loaded.effort = turn.effort
    return {
      ...(moved ? { cwd: turn.cwd } : {}),
      ...(model === undefined ? {} : { model }),
      ...(effort === undefined ? {} : { effort }),
      // Its settings go before those above, so it has them too.
      ...(loaded.model !== undefined && saysMode
        ? {
            collaborationMode: {
              mode: plan ? 'plan' : 'default',
              settings: {
                model: loaded.model,
                reasoning_effort: effort ?? null,
                developer_instructions: null,
              },
            },
          }
        : {}),
    }
  }

  /** The person's own configuration, where the thread was told something else before. */
  async #usual(
    turn: Turn,
    loaded: Loaded,
  ): Promise<{ readonly model?: string | undefined; readonly effort?: string | undefined }> {
    const asksModel = turn.model === undefined && loaded.chosen
    const asksEffort = turn.effort === undefined && loaded.effort !== undefined
    if (!asksModel && !asksEffort) return {}
    const config = await this.server.request('config/read', { cwd: turn.cwd }, replies.config)
    const models = await this.server.request('model/list', {}, replies.models)
    const own = config.how === 'done' ? config.result.config : {}
    const list = models.how === 'done' ? models.result.data : []
    const model = own.model ?? list.find(({ isDefault }) => isDefault)?.model
    const answering = turn.model ?? model
    return {
      ...(asksModel ? { model } : {}),
      ...(asksEffort
        ? {
            effort:
              own.model_reasoning_effort ??
              list.find((each) => each.model === answering)?.defaultReasoningEffort ??
              undefined,
          }
        : {}),
    }
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

  async #ended(): Promise<Exit> {
    await this.server.close()
    return await this.server.exit
  }

  #lost(exit: Exit): void {
    this.#log.info({ exit }, 'codex app-server ended')
    const sentence =
      this.#closing === undefined ? exitFailure(exit, this.server.stderr) : 'Codex was ended with ductor.'
    for (const running of this.#running.values()) running.lose(sentence)
  }
}

function refusal(words: string, resume: string | undefined): Found {
  if (resume !== undefined && gone.test(words)) return { how: 'gone' }
  if (/active writer/i.test(words)) return { how: 'failed', sentence: inUse }
  return { how: 'failed', sentence: `Codex could not begin.${said(words)}` }
}

function threadOf(params: unknown): string | undefined {
  const known =
    typeof params === 'object' && params !== null && 'threadId' in params ? params.threadId : undefined
  return typeof known === 'string' ? known : undefined
}
