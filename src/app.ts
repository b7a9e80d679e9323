import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { commands } from './commands/index.ts'
import type { Agent } from './core/conversation.ts'
import type { Log, ProviderDefinition, TransportDefinition } from './core/define.ts'
import { Gateway } from './core/gateway.ts'
import { Outbox } from './core/outbox.ts'
import type { PermissionMode, Provider } from './core/provider.ts'
import type { TraceLine } from './core/store.ts'
import { FatalError, type Memory, type Transport, type TransportReport } from './core/transport.ts'
import { untilStored } from './core/until-stored.ts'
import { openDatabase, openForReading, storeFile } from './store/open.ts'
import { SqliteStore } from './store/sqlite-store.ts'
import { traceOf } from './store/trace.ts'

export interface AppOptions {
  /** Absolute path of the home folder. */
  readonly home: string
  readonly log: Log
  /** Which transports to run, each with its part of the configuration. */
  readonly transports: readonly { readonly definition: TransportDefinition; readonly config: unknown }[]
  readonly provider: { readonly definition: ProviderDefinition; readonly config: unknown }
  /** The environment of the provider's CLI. */
  readonly env: Readonly<Record<string, string>>
  readonly permissionMode: PermissionMode
  readonly model?: string
  readonly backlogMaxAgeMs: number
  readonly historyMs: number
  /** What a person should know about this installation, for `/status`. */
  readonly warnings: readonly string[]
  /** Called at each change of a transport's state. */
  onReport(name: string, report: TransportReport): void
}

/** As `ductor status --json` shows it. */
export interface StatusFacts {
  readonly transports: readonly {
    readonly name: string
    readonly account: string | null
    readonly state: TransportReport['state']
    /** ISO 8601. */
    readonly last_event_at: string | null
    readonly detail: string | null
  }[]
  readonly agents: readonly { readonly name: string; readonly provider: string }[]
  readonly turns: { readonly running: number; readonly queued: number }
  readonly outbox: { readonly pending: number; readonly failed: number }
  readonly store: { readonly trouble: string | null }
  readonly warnings: readonly string[]
}

export interface App {
  /** Resolves when every transport has connected or failed its first try. */
  readonly firstTries: Promise<void>
  status(): StatusFacts
  trace(id: string): readonly TraceLine[]
  /** Takes no more updates, lets turns go on for `graceMs`, keeps the rest for the next start. */
  stop(graceMs: number): Promise<void>
}

interface Line {
  readonly name: string
  transport: Transport | undefined
  report: TransportReport
  heardAt: number | undefined
  readonly firstTry: PromiseWithResolvers<void>
}

const pruneEveryMs = 24 * 3600_000
const longestRestartPauseMs = 60_000

/** Builds the house and opens its doors: store, adapters, flow, transports. */
export async function startApp(options: AppOptions): Promise<App> {
  const { home, log } = options
  const store = new SqliteStore(openDatabase(join(home, storeFile)))
  const lines = new Map<string, Line>()
  const transports = new Map<string, Transport>()
  const closing = new AbortController()
  const provider = await openProvider(options, store)
  const outbox = new Outbox({
    store,
    transports,
    log,
    keep: (write, signal) => untilStored(write, { log, trouble: () => {} }, signal),
  })
  const gateway = new Gateway({
    store,
    outbox,
    transports,
    agent: agentOf(options, provider),
    commands,
    log,
    backlogMaxAgeMs: options.backlogMaxAgeMs,
    warnings: options.warnings,
  })
  for (const { definition, config } of options.transports) {
    const line = newLine(definition.name)
    lines.set(definition.name, line)
    const report = (now: TransportReport) => {
      meet(line, now, options, outbox)
    }
    try {
      line.transport = await definition.open(config, {
        home,
        log,
        memory: memoryOf(store, definition.name),
        report,
        heard: () => {
          line.heardAt = Date.now()
        },
        commands,
      })
      transports.set(definition.name, line.transport)
    } catch (error) {
      // One transport that cannot be opened never keeps another from running.
      report({ state: 'failed', detail: reason(error) })
      log.error({ err: error, transport: definition.name }, 'a transport could not be opened')
    }
  }
  gateway.start()
  const listening = [...lines.values()].map((line) =>
    keepListening(line, gateway, options, outbox, closing.signal),
  )
  const pruning = pruneDaily(store, options, log)
  return {
    firstTries: allOf([...lines.values()].map(({ firstTry }) => firstTry.promise)),
    status: () => statusOf(options, store, gateway, lines),
    trace: (id) => store.trace(id),
    async stop(graceMs) {
      closing.abort()
      clearInterval(pruning)
      await Promise.all([gateway.close(graceMs), Promise.allSettled(listening)])
      await outbox.close(Math.min(graceMs, 2000))
      await provider.close?.()
      store.close()
    },
  }
}

/** The life of a message while ductor is not running; empty where there is no store yet. */
export function readTrace(home: string, id: string): readonly TraceLine[] {
  using db = openForReading(join(home, storeFile))
  return traceOf(db, id)
}

async function openProvider({ home, log, env, provider }: AppOptions, store: SqliteStore): Promise<Provider> {
  const { definition, config } = provider
  return definition.open(config, { home, log, env, memory: memoryOf(store, `provider/${definition.name}`) })
}

function agentOf({ home, provider, permissionMode, model }: AppOptions, port: Provider): Agent {
  const workspace = join(home, 'workspace')
  mkdirSync(workspace, { recursive: true })
  return {
    provider: port,
    providerName: provider.definition.name,
    workspace,
    permissionMode,
    ...(model === undefined ? {} : { model }),
  }
}

function memoryOf(store: SqliteStore, source: string): Memory {
  return {
    recall: (key) => store.recall(source, key),
    list: (prefix) => store.list(source, prefix),
    remember: (entries) => store.remember(source, entries),
  }
}

function newLine(name: string): Line {
  return {
    name,
    transport: undefined,
    report: { state: 'connecting' },
    heardAt: undefined,
    firstTry: Promise.withResolvers<void>(),
  }
}

function meet(line: Line, now: TransportReport, options: AppOptions, outbox: Outbox): void {
  const before = line.report
  // Who the bot is does not change because the line went down.
  const account = now.account ?? before.account
  line.report = account === undefined ? now : { ...now, account }
  if (now.state === 'connected') outbox.wake(line.name)
  if (before.state !== now.state || before.detail !== now.detail) options.onReport(line.name, line.report)
  if (now.state === 'connected' || now.state === 'failed') line.firstTry.resolve()
}

/** Listens until the end. A fault of one transport stops only that one, and only as long as it must. */
async function keepListening(
  line: Line,
  gateway: Gateway,
  options: AppOptions,
  outbox: Outbox,
  signal: AbortSignal,
): Promise<void> {
  const { transport } = line
  if (transport === undefined) return
  for (let pause = 1000; !signal.aborted; pause = Math.min(pause * 2, longestRestartPauseMs)) {
    try {
      await transport.listen(gateway.intake(line.name, signal), signal)
      break
    } catch (error) {
      if (signal.aborted) break
      meet(line, { state: 'failed', detail: reason(error) }, options, outbox)
      options.log.error({ err: error, transport: line.name }, 'a transport ended')
      if (error instanceof FatalError) return
      await sleep(pause, undefined, { signal }).catch(() => {
        // Stopping: there is nothing to wait for any more.
      })
    }
  }
  meet(line, { state: 'stopped' }, options, outbox)
}

function pruneDaily(store: SqliteStore, { historyMs }: AppOptions, log: Log): NodeJS.Timeout {
  const prune = () => {
    try {
      store.prune(Date.now() - historyMs)
    } catch (error) {
      log.warn({ err: error }, 'old rows could not be removed')
    }
  }
  const timer = setInterval(prune, pruneEveryMs)
  timer.unref()
  return timer
}

function statusOf(
  { provider, warnings }: AppOptions,
  store: SqliteStore,
  gateway: Gateway,
  lines: ReadonlyMap<string, Line>,
): StatusFacts {
  return {
    transports: [...lines.values()].map(({ name, report, heardAt }) => ({
      name,
      account: report.account ?? null,
      state: report.state,
      last_event_at: heardAt === undefined ? null : new Date(heardAt).toISOString(),
      detail: report.detail ?? null,
    })),
    agents: [{ name: 'main', provider: provider.definition.name }],
    turns: gateway.counts(),
    outbox: { pending: store.countPublications('final'), failed: store.countPublications('dead') },
    store: { trouble: gateway.trouble ?? null },
    warnings,
  }
}

async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  await Promise.all(promises)
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
