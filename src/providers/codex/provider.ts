import { realpath } from 'node:fs/promises'
import type { z } from 'zod'
import type { ProviderDeps } from '../../core/define.ts'
import type { Attachment, Place } from '../../core/message.ts'
import type {
  ModelList,
  PermissionAnswer,
  Provider,
  ProviderHealth,
  SessionSummary,
  Steered,
  Turn,
  TurnEvent,
} from '../../core/provider.ts'
import { ProcessLedger } from '../process-ledger.ts'
import { Warm } from '../warm.ts'
import { failed, said } from './failure.ts'
import { loggedIn, versionOf } from './health.ts'
import { CodexHost, type Opened } from './host.ts'
import { Limits } from './limits.ts'
import { oneShot } from './one-shot.ts'
import { usualPatience, type Patience, type RunningTurn } from './running-turn.ts'
import { replies } from './wire.ts'

const sessionsListed = 50
const strandsKept = 1000
/** An app server that did not answer is left alone for so long. */
const silentMs = 60_000
const shelfKey = 'app-server'

export interface Settings {
  /** The program and its first arguments. */
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly idleMs: number
  readonly maxWarm: number
  readonly lineLimit?: number
}

/** Codex, with one app server for all conversations, kept warm between turns. */
export class CodexProvider implements Provider {
  readonly #settings: Settings
  readonly #deps: ProviderDeps
  readonly #patience: Patience
  readonly #limits = new Limits()
  readonly #running = new Map<string, RunningTurn>()
  /** The thread of each place and strand that was last seen here. */
  readonly #threads = new Map<string, string>()
  readonly #ledger: ProcessLedger
  /** The app server while nobody uses it. */
  readonly #shelf: Warm<CodexHost>
  /** The app server while somebody does; a promise from the moment on in which it is wanted. */
  #wanted: Promise<Opened> | undefined
  #used: CodexHost | undefined
  #users = 0
  /** Until when the app server is not tried again. */
  #silentUntil = 0

  constructor(settings: Settings, deps: ProviderDeps, patience: Patience = usualPatience) {
    this.#settings = settings
    this.#deps = deps
    this.#patience = patience
    this.#ledger = new ProcessLedger(deps.memory, deps.log)
    this.#shelf = new Warm({ idleMs: settings.idleMs, maxWarm: 1 })
  }

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    if (signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    const opened = await this.#enter()
    try {
      if (opened.how === 'ready') yield yield* this.#warm(opened.host, turn, signal)
      else if (opened.how === 'silent') yield* this.#once(turn, signal)
      else yield failed(opened.sentence)
    } finally {
      this.#leave()
    }
  }

  answer(turnId: string, requestId: string, answer: PermissionAnswer): boolean {
    return this.#running.get(turnId)?.answer(requestId, answer) ?? false
  }

  reply(turnId: string, questionId: string, answers: readonly (readonly string[])[]): boolean {
    return this.#running.get(turnId)?.reply(questionId, answers) ?? false
  }

  async interrupt(turnId: string): Promise<boolean> {
    const running = this.#running.get(turnId)
    await running?.stop()
    return running !== undefined
  }

  async steer(turnId: string, prompt: string, attachments: readonly Attachment[]): Promise<Steered> {
    return (await this.#running.get(turnId)?.steer(prompt, attachments)) ?? 'over'
  }

  async models(): Promise<ModelList> {
    const { data } = await this.#request('model/list', {}, replies.models)
    const { config } = await this.#request('config/read', {}, replies.config)
    // The person's own choice goes before that of Codex.
    const own = data.some(({ model }) => model === config.model) ? config.model : undefined
    return {
      models: data
        .filter(({ hidden }) => !hidden)
        .map(({ model, displayName, description, isDefault, supportedReasoningEfforts: efforts }) => ({
          id: model,
          name: displayName,
          ...(description ? { description } : {}),
          efforts: efforts.map(({ reasoningEffort }) => reasoningEffort),
          isDefault: own ? model === own : isDefault,
        })),
    }
  }

  async sessions(cwd: string): Promise<readonly SessionSummary[]> {
    const { data } = await this.#request(
      'thread/list',
      {
        cwd: [...new Set([cwd, await realpath(cwd).catch(() => cwd)])],
        limit: sessionsListed,
        sortKey: 'updated_at',
        // Without the kinds it leaves out those of `codex exec`.
        sourceKinds: ['cli', 'exec', 'vscode', 'appServer'],
      },
      replies.threads,
    )
    return data.map(({ id, name, preview, updatedAt }) => ({
      id,
      title: (name || preview).trim(),
      updatedAt: updatedAt * 1000,
    }))
  }

  handoff(sessionId: string): readonly string[] {
    return [...this.#settings.command, 'resume', sessionId]
  }

  /** Codex lets only one program write a session. Where nothing runs, the end of the process sets them all free. */
  async release(place: Place, strand: string): Promise<void> {
    const threadId = this.#threads.get(strandKey(place, strand))
    if (this.#users === 0) return await this.#shelf.drop(shelfKey)
    const host = this.#used
    if (threadId === undefined || host?.usable !== true) return
    if (!(await host.free(threadId)))
      this.#deps.log.warn({ threadId }, 'a codex session could not be set free while others run')
  }

  async check(signal: AbortSignal): Promise<ProviderHealth> {
    const { command } = this.#settings
    const version = await versionOf(command, this.#deps, signal)
    if (version === undefined)
      return {
        installed: false,
        mend: 'Codex does not start. Install it with `npm install -g @openai/codex`, or name it in `providers.codex.command`.',
      }
    const signedIn = await this.#signedIn(signal)
    const mend = 'Run `codex login` on this machine.'
    return { installed: true, version, signedIn, ...(signedIn ? {} : { mend }) }
  }

  async close(): Promise<void> {
    // Whoever is starting it gets it first.
    await this.#wanted
    await Promise.all([this.#shelf.close(), this.#used?.close()])
  }

  async *#warm(host: CodexHost, turn: Turn, signal: AbortSignal) {
    try {
      return yield* host.turn(turn, signal, (running, threadId) => {
        this.#running.set(turn.id, running)
        this.#remember(strandKey(turn.place, turn.strand), threadId)
      })
    } finally {
      this.#running.delete(turn.id)
    }
  }

  async *#once(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    const cannotAsk = turn.permissionMode === 'ask' || turn.permissionMode === 'plan'
    yield {
      type: 'notice',
      message: `The app server of Codex does not work here; \`codex exec\` answers, all at once.${
        cannotAsk ? ' It cannot ask, so it may only read.' : ''
      }`,
    }
    const command = { ...this.#command([]), cwd: turn.cwd }
    let end = yield* oneShot(turn, command, this.#ledger, this.#patience, signal)
    if (end === 'gone') {
      yield {
        type: 'notice',
        message: 'Codex no longer has the earlier conversation; this is the start of a new one.',
      }
      const { resume: _, ...fresh } = turn
      end = yield* oneShot(fresh, command, this.#ledger, this.#patience, signal)
    }
    yield end === 'gone' ? failed('Codex could not begin a conversation.') : end
  }

  async #signedIn(signal: AbortSignal): Promise<boolean> {
    const account = await this.#request('account/read', {}, replies.account).catch(() => undefined)
    if (account === undefined) return await loggedIn(this.#settings.command, this.#deps, signal)
    // A model provider of the person's own wants no account.
    return account.account !== null || !account.requiresOpenaiAuth
  }

  /** Asks something that belongs to no conversation. */
  async #request<T>(method: string, params: object, shape: z.ZodType<T>): Promise<T> {
    const opened = await this.#enter()
    try {
      if (opened.how === 'not-started') throw new Error(opened.sentence)
      if (opened.how === 'silent') throw new Error('The app server of Codex does not work here.')
      const reply = await opened.host.server.request(method, params, shape)
      if (reply.how === 'done') return reply.result
      throw new Error(`Codex did not answer ${method}.${reply.how === 'refused' ? said(reply.words) : ''}`)
    } finally {
      this.#leave()
    }
  }

  /** Gives the app server, or why there is none. Whoever enters leaves. */
  async #enter(): Promise<Opened> {
    this.#users += 1
    const known = this.#wanted
    const opened = await known
    if (opened?.how === 'ready' && opened.host.usable) return opened
    if (performance.now() < this.#silentUntil) return { how: 'silent' }
    // Whoever comes at the same moment waits for the same process.
    if (this.#wanted === known || this.#wanted === undefined) this.#wanted = this.#open()
    return await this.#wanted
  }

  #leave(): void {
    this.#users -= 1
    if (this.#users > 0) return
    const host = this.#used
    this.#wanted = undefined
    this.#used = undefined
    if (host?.usable === true) this.#shelf.keep(shelfKey, host)
  }

  async #open(): Promise<Opened> {
    const waiting = this.#shelf.take(shelfKey)
    const opened: Opened =
      waiting?.usable === true ? { how: 'ready', host: waiting } : await this.#start(waiting)
    this.#used = opened.how === 'ready' ? opened.host : undefined
    if (opened.how === 'silent') this.#silentUntil = performance.now() + silentMs
    return opened
  }

  async #start(before: CodexHost | undefined): Promise<Opened> {
    // The one before must let go of its sessions first.
    await Promise.all([before?.close(), this.#used?.close(), this.#shelf.drop(shelfKey)])
    const { home, log } = this.#deps
    const command = { ...this.#command(['app-server']), cwd: home }
    return await CodexHost.open(command, {
      ledger: this.#ledger,
      limits: this.#limits,
      log,
      patience: this.#patience,
      maxWarm: this.#settings.maxWarm,
    })
  }

  #command(first: readonly string[]) {
    const [program = 'codex', ...own] = this.#settings.command
    const { lineLimit } = this.#settings
    return {
      program,
      args: [...own, ...first, ...this.#settings.args],
      env: this.#deps.env,
      ...(lineLimit === undefined ? {} : { lineLimit }),
    }
  }

  #remember(key: string, threadId: string): void {
    this.#threads.delete(key)
    this.#threads.set(key, threadId)
    const [oldest] = this.#threads.keys()
    if (this.#threads.size > strandsKept && oldest !== undefined) this.#threads.delete(oldest)
  }
}

function strandKey(place: Place, strand: string): string {
  return JSON.stringify([place.key, strand])
}
