import { mkdirSync, watch, type FSWatcher } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { App } from '../app.ts'
import type { AgentState, Agents } from '../core/command.ts'
import type { Log } from '../core/define.ts'
import { UserError } from '../core/user-error.ts'
import { redactor } from '../lib/redact.ts'
import { entriesPath, type AgentEntry, type Entries } from './entries.ts'

export interface SupervisorDeps {
  /** Absolute path of the main agent's home folder. */
  readonly home: string
  readonly log: Log
  readonly read: () => Promise<Entries>
  /** Opens the app of one sub-agent in its own home folder. Throws where it cannot run. */
  readonly open: (entry: AgentEntry, home: string) => Promise<App>
  readonly graceMs: () => number
  readonly pollMs?: number
  /** The first pause before a failed start is tried again; each further one is twice as long. */
  readonly firstPauseMs?: number
}

interface Member {
  entry: AgentEntry
  state: AgentState['state']
  detail: string | undefined
  app: App | undefined
  failures: number
  retry: NodeJS.Timeout | undefined
  /** A person stopped it: a change of the file does not start it. */
  held: boolean
}

const mostFailures = 5

/**
 * Keeps the sub-agents running that agents.json names, each for itself: one that fails is begun again after a pause,
 * and never takes another down.
 */
export class Supervisor implements Agents {
  readonly #deps: SupervisorDeps
  readonly #members = new Map<string, Member>()
  #problems: readonly string[] = []
  #watcher: FSWatcher | undefined
  #poll: NodeJS.Timeout | undefined
  /** One change after another. */
  #changing: Promise<void> = Promise.resolve()
  #closing = false
  /** Since when agents.json names nobody. Milliseconds since 1970. */
  #emptySince: number | undefined

  constructor(deps: SupervisorDeps) {
    this.#deps = deps
  }

  /** Starts what the file names, and follows the file from now on. */
  async start(): Promise<void> {
    const path = entriesPath(this.#deps.home)
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(path)) this.#reconcileSoon()
      })
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      // A system without watching: the poll sees it as well.
    }
    this.#poll = setInterval(() => this.#reconcileSoon(), this.#pollMs).unref()
    await this.#inTurn(() => this.#reconcile())
  }

  /** What is wrong with agents.json, a line each. */
  get problems(): readonly string[] {
    return this.#problems
  }

  list(): readonly AgentState[] {
    return [...this.#members.values()].map(({ entry, state, detail, app }) => {
      const facts = app?.status()
      const transports = facts?.transports ?? []
      const broken = transports.find((line) => line.state === 'failed')
      return {
        name: entry.name,
        provider: facts?.agents[0]?.provider ?? null,
        state: state === 'running' && broken !== undefined ? 'failed' : state,
        detail: broken?.detail ?? detail ?? null,
        // Chats are told of it: an address can have a secret in it.
        transports: transports.map(({ name, account }) =>
          redactor()(account === null ? name : `${name} ${account}`),
        ),
      }
    })
  }

  app(name: string): App | undefined {
    return this.#members.get(name)?.app
  }

  startAgent(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const member = this.#member(name)
      member.held = false
      member.failures = 0
      if (member.app === undefined) await this.#open(member)
    })
  }

  stopAgent(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const member = this.#member(name)
      member.held = true
      await this.#shut(member)
    })
  }

  restartAgent(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const member = this.#member(name)
      member.held = false
      member.failures = 0
      await this.#shut(member)
      await this.#open(member)
    })
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#watcher?.close()
    clearInterval(this.#poll)
    await this.#changing
    await Promise.all([...this.#members.values()].map((member) => this.#shut(member)))
  }

  get #pollMs(): number {
    return this.#deps.pollMs ?? 4000
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (member !== undefined) return member
    const known = [...this.#members.keys()].join(', ') || 'none'
    throw new UserError(`There is no sub-agent “${name}”; agents.json names: ${known}.`)
  }

  #reconcileSoon(): void {
    if (!this.#closing) void this.#inTurn(() => this.#reconcile())
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const mine = this.#changing.then(act)
    this.#changing = mine.catch(() => {
      // Whoever asked for it hears of it.
    })
    return mine
  }

  /** Starts, stops and begins anew just what has changed. */
  async #reconcile(): Promise<void> {
    if (this.#closing) return
    const { entries, problems } = await this.#deps.read()
    if (!isDeepStrictEqual(problems, this.#problems)) {
      this.#problems = problems
      if (problems.length > 0) this.#deps.log.warn({ problems }, 'agents.json has problems')
    }
    if (this.#tellsWhomToEnd(entries, problems))
      for (const [name, member] of this.#members) {
        if (entries.some((entry) => entry.name === name)) continue
        await this.#shut(member)
        this.#members.delete(name)
      }
    await Promise.all(entries.map((entry) => this.#meet(entry)))
  }

  /** Not where something in it cannot be read, nor at the first look at one that names nobody: it may be replaced just now. */
  #tellsWhomToEnd(entries: Entries['entries'], problems: Entries['problems']): boolean {
    if (entries.length > 0) this.#emptySince = undefined
    else this.#emptySince ??= Date.now()
    if (problems.length > 0) return false
    return this.#emptySince === undefined || Date.now() - this.#emptySince >= this.#pollMs / 2
  }

  async #meet(entry: AgentEntry): Promise<void> {
    const known = this.#members.get(entry.name)
    if (known === undefined) {
      const member: Member = {
        entry,
        state: 'starting',
        detail: undefined,
        app: undefined,
        failures: 0,
        retry: undefined,
        held: false,
      }
      this.#members.set(entry.name, member)
      return this.#open(member)
    }
    if (isDeepStrictEqual(known.entry, entry)) return
    known.entry = entry
    known.failures = 0
    await this.#shut(known)
    if (!known.held) await this.#open(known)
  }

  async #open(member: Member): Promise<void> {
    const { log, open, firstPauseMs = 5000 } = this.#deps
    const { name } = member.entry
    clearTimeout(member.retry)
    member.state = 'starting'
    member.detail = undefined
    try {
      const home = join(this.#deps.home, 'agents', name)
      mkdirSync(home, { recursive: true, mode: 0o700 })
      member.app = await open(member.entry, home)
      member.state = 'running'
      member.failures = 0
      log.info({ agent: name }, 'a sub-agent runs')
    } catch (error) {
      member.state = 'failed'
      member.detail = error instanceof Error ? error.message : String(error)
      member.failures += 1
      log.error({ err: error, agent: name, failures: member.failures }, 'a sub-agent could not be started')
      // What a person has to change is not mended by trying again.
      if (error instanceof UserError || member.failures >= mostFailures) return
      const pause = firstPauseMs * 2 ** (member.failures - 1)
      member.retry = setTimeout(() => {
        if (!this.#closing) void this.#inTurn(() => this.#again(member))
      }, pause).unref()
    }
  }

  async #again(member: Member): Promise<void> {
    if (member.state === 'failed' && !member.held) await this.#open(member)
  }

  async #shut(member: Member): Promise<void> {
    clearTimeout(member.retry)
    const { app } = member
    member.app = undefined
    member.state = 'stopped'
    await app?.stop(this.#deps.graceMs()).catch((error: unknown) => {
      this.#deps.log.error({ err: error, agent: member.entry.name }, 'a sub-agent did not stop in good order')
    })
  }
}
