import { realpath } from 'node:fs/promises'
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
import { failed } from './failure.ts'
import { loggedIn, versionOf } from './health.ts'
import { CodexHost, type Opened } from './host.ts'
import { Limits } from './limits.ts'
import { oneShot } from './one-shot.ts'
import { usualPatience, type Patience, type RunningTurn } from './running-turn.ts'
import { replies } from './wire.ts'

const sessionsListed = 50
const strandsKept = 1000

export interface Settings {
  /** The program and its first arguments. */
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly idleMs: number
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
  readonly #closing = new Set<Promise<void>>()
  #host: Promise<Opened> | undefined
  #turns = 0
  #idle: NodeJS.Timeout | undefined
  /** Until when the app server is not tried again. */
  #silentUntil = 0

  constructor(settings: Settings, deps: ProviderDeps, patience: Patience = usualPatience) {
    this.#settings = settings
    this.#deps = deps
    this.#patience = patience
  }

  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    if (signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    this.#turns += 1
    clearTimeout(this.#idle)
    try {
      const opened = await this.#open()
      if (opened.how === 'ready') yield yield* this.#warm(opened.host, turn, signal)
      else if (opened.how === 'silent') yield* this.#once(turn, signal)
      else yield failed(opened.sentence)
    } finally {
      this.#turns -= 1
      this.#rest()
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
    const reply = await (await this.#ready()).server.request('model/list', {}, replies.models)
    if (reply.how !== 'done') throw new Error('codex did not tell its models')
    return {
      models: reply.result.data
        .filter(({ hidden }) => !hidden)
        .map(({ model, displayName, description, isDefault, supportedReasoningEfforts: efforts }) => ({
          id: model,
          name: displayName,
          ...(description ? { description } : {}),
          efforts: efforts.map(({ reasoningEffort }) => reasoningEffort),
          isDefault,
        })),
    }
  }

  async sessions(cwd: string): Promise<readonly SessionSummary[]> {
    const folders = [...new Set([cwd, await realpath(cwd).catch(() => cwd)])]
    const reply = await (
      await this.#ready()
    ).server.request(
      'thread/list',
      // Without the kinds it leaves out those of `codex exec`.
      {
        cwd: folders,
        limit: sessionsListed,
        sortKey: 'updated_at',
        sourceKinds: ['cli', 'exec', 'vscode', 'appServer'],
      },
      replies.threads,
    )
    if (reply.how !== 'done') throw new Error('codex did not tell its sessions')
    return reply.result.data.map(({ id, name, preview, updatedAt }) => ({
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
    const opened = await this.#host
    if (threadId === undefined || opened?.how !== 'ready' || !opened.host.usable) return
    if (opened.host.idle) return await this.#end()
    if (!(await opened.host.free(threadId)))
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
    clearTimeout(this.#idle)
    await this.#end()
    await Promise.all(this.#closing)
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
    let end = yield* oneShot(turn, command, this.#patience, signal)
    if (end === 'gone') {
      yield {
        type: 'notice',
        message: 'Codex no longer has the earlier conversation; this is the start of a new one.',
      }
      const { resume: _, ...fresh } = turn
      end = yield* oneShot(fresh, command, this.#patience, signal)
    }
    yield end === 'gone' ? failed('Codex could not begin a conversation.') : end
  }

  async #signedIn(signal: AbortSignal): Promise<boolean> {
    const opened = await this.#open()
    if (opened.how !== 'ready') return await loggedIn(this.#settings.command, this.#deps, signal)
    this.#rest()
    const reply = await opened.host.server.request('account/read', {}, replies.account)
    if (reply.how !== 'done') return await loggedIn(this.#settings.command, this.#deps, signal)
    // A model provider of the person's own wants no account.
    return reply.result.account !== null || !reply.result.requiresOpenaiAuth
  }

  async #ready(): Promise<CodexHost> {
    const opened = await this.#open()
    this.#rest()
    if (opened.how === 'ready') return opened.host
    throw new Error(opened.how === 'silent' ? 'the app server of codex does not work here' : opened.sentence)
  }

  async #open(): Promise<Opened> {
    const known = this.#host
    const opened = await known
    if (opened?.how === 'ready' && opened.host.usable) return opened
    if (Date.now() < this.#silentUntil) return { how: 'silent' }
    // Whoever comes at the same moment waits for the same process.
    if (this.#host === known || this.#host === undefined) this.#host = this.#start()
    const fresh = await this.#host
    if (fresh.how === 'silent') this.#silentUntil = Date.now() + this.#settings.idleMs
    return fresh
  }

  async #start(): Promise<Opened> {
    // The one before must let go of its sessions first.
    await Promise.all(this.#closing)
    const { home, log } = this.#deps
    const command = { ...this.#command(['app-server']), cwd: home }
    return await CodexHost.open(command, this.#limits, log, this.#patience)
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

  /** Counts the minutes without a turn. */
  #rest(): void {
    clearTimeout(this.#idle)
    if (this.#turns > 0) return
    this.#idle = setTimeout(() => void this.#end(), this.#settings.idleMs).unref()
  }

  async #end(): Promise<void> {
    const host = this.#host
    this.#host = undefined
    const opened = await host
    if (opened?.how !== 'ready') return
    const closed = opened.host.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
    await closed
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
