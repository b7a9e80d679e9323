import { join } from 'node:path'
import {
  AgentTransport,
  agentTransportName,
  type Answer,
  type Asker,
  type Origin,
} from './agents/agent-transport.ts'
import { commands } from './commands/index.ts'
import type { Agents } from './core/command.ts'
import type { Log, TransportDefinition } from './core/define.ts'
import { Gateway } from './core/gateway.ts'
import type { Place } from './core/message.ts'
import type { PermissionMode } from './core/provider.ts'
import { Outbox } from './core/outbox.ts'
import type { TraceLine } from './core/store.ts'
import type { Memory, Transport, TransportReport } from './core/transport.ts'
import { untilStored } from './core/until-stored.ts'
import { openAgent, type AgentOptions } from './main-agent.ts'
import { OutageWatch } from './outage-watch.ts'
import { confirmRestart, noteRestart } from './restart-note.ts'
import { factsOf, statusOf, type StatusFacts } from './status-facts.ts'
import { openDatabase, openForReading, storeFile } from './store/open.ts'
import { sqliteStore, type SqliteStore } from './store/sqlite-store.ts'
import { TransportLine } from './transport-line.ts'
import { readMemory } from './workspace/instructions.ts'

export type { StatusFacts } from './status-facts.ts'

export interface AppOptions extends Omit<AgentOptions, 'memoryOf' | 'toolsFor'> {
  /** The program that gives ductor's tools to a conversation of this agent. */
  readonly toolsFor?: AgentOptions['toolsFor']
  /** The sub-agents, for the agent that looks after them. */
  readonly agents?: Agents
  /** Brings the answer of this agent to another one that asked it. False: that one does not run now. */
  readonly bring: (origin: Origin, answer: Answer) => Promise<boolean>
  /** Which transports to run, each with its part of the configuration. */
  readonly transports: readonly { readonly definition: TransportDefinition; readonly config: unknown }[]
  /** What a person should know about this installation, for `/status`. */
  readonly warnings: () => readonly string[]
  /** The last lines of the log, oldest first. */
  readonly lastLog?: () => Promise<readonly string[]>
  /** Ends this process so that a new one starts, after it has called `begins`. Throws `UserError` where none would start. */
  readonly restart?: (begins: () => void) => Promise<void>
  /** Called at each change of a transport's state. */
  onReport(name: string, report: TransportReport): void
}

export interface App {
  /** Resolves when every transport has connected or failed its first try. */
  readonly firstTries: Promise<void>
  status(): StatusFacts
  trace(id: string): readonly TraceLine[]
  /** Another agent asks this one; see `AgentTransport.ask`. */
  ask(from: Asker, text: string, wait: boolean, signal: AbortSignal): Promise<string | undefined>
  /** Gives how much the agent of this conversation may do. Throws `UserError` where it may not ask another one now. */
  allowQuestion(place: Place, strand: string): PermissionMode
  /** Another agent answers what was asked here; the agent of that conversation hears of it. */
  hearAnswer(origin: Origin, answer: Answer): Promise<void>
  /** A tool of the agent itself: a file goes into its chat. Throws `UserError`. */
  sendFile(place: Place, strand: string, path: string): Promise<string>
  /** Says something to the owner, wherever that can be done. `key` is unique for what is said. */
  tellOwner(key: string, text: string): void
  /** The transports take over what of their changed configuration needs no restart. */
  reconfigure(parts: AppOptions['transports']): void
  /** Takes no more updates, lets turns go on for `graceMs`, keeps the rest for the next start. */
  stop(graceMs: number): Promise<void>
}

const expireEveryMs = 600_000
const pruneEveryMs = 24 * 3600_000
/** A machine that is switched off every night has rows to prune, too. */
const pruneAfterStartMs = 5 * 60_000

/** Builds the house and opens its doors: store, adapters, flow, transports. */
export async function startApp(options: AppOptions): Promise<App> {
  const { home, log } = options
  const store = sqliteStore(openDatabase(join(home, storeFile)))
  const agent = await openAgent({ ...options, memoryOf: (source) => memoryOf(store, source) })
  const transports = new Map<string, Transport>()
  const keep = <T>(write: () => T, signal: AbortSignal) =>
    untilStored(write, { log, trouble: () => {} }, signal)
  const outbox = new Outbox({ store, transports, log, keep })
  const lines: TransportLine[] = []
  const status = () =>
    statusOf({
      agent,
      store,
      gateway,
      lines,
      warnings: [...options.warnings(), ...(options.agents?.problems ?? [])],
      others: options.agents?.list() ?? [],
    })
  const own = memoryOf(store, 'app')
  const gateway = new Gateway({
    store,
    outbox,
    transports,
    agent,
    commands,
    log,
    installation: {
      warnings: options.warnings,
      memory: () => readMemory(agent.workspace),
      diagnose: async () => ({ facts: factsOf(status()), log: (await options.lastLog?.()) ?? [] }),
      restart: (place) => restart(options, own, place),
      ...(options.agents === undefined ? {} : { agents: options.agents }),
    },
  })
  const outages = new OutageWatch({ tell: (key, text, except) => gateway.tellOwner(key, text, except) })
  const onReport = (line: TransportLine, before: TransportReport) => {
    const { name, report } = line
    if (report.state === 'connected') outbox.wake(name)
    if (before.state !== report.state || before.detail !== report.detail) options.onReport(name, report)
    outages.meet(name, report)
  }
  for (const { definition, config } of options.transports) {
    const memory = memoryOf(store, definition.name)
    const line = new TransportLine(definition.name, {
      home,
      log,
      memory,
      env: options.env,
      commands,
      onReport,
    })
    lines.push(line)
    await line.open(definition, config)
    if (line.transport !== undefined) transports.set(line.name, line.transport)
  }
  const inner = new AgentTransport({
    memory: memoryOf(store, agentTransportName),
    bring: (origin, answer) => options.bring(origin, answer),
  })
  transports.set(agentTransportName, inner)
  gateway.start()
  store.transaction(() => confirmRestart(own, gateway.notices))
  const closing = new AbortController()
  const listening = [
    ...lines.map((line) => line.listen(gateway.intake(line.name, closing.signal), closing.signal)),
    inner.listen(gateway.intake(agentTransportName, closing.signal), closing.signal),
  ]
  using pruning = new DisposableStack()
  prune(store, [...transports.values()], options, pruning)
  const expiring = setInterval(() => void expire(gateway, log), expireEveryMs).unref()
  pruning.defer(() => clearInterval(expiring))
  void expire(gateway, log)
  const timers = pruning.move()
  return {
    firstTries: allOf(lines.map(({ firstTry }) => firstTry)),
    status,
    trace: (id) => store.trace(id),
    ask: (from, text, wait, signal) => inner.ask(from, text, wait, signal),
    allowQuestion: (place, strand) => gateway.allowQuestion(place, strand),
    hearAnswer: (origin, answer) => gateway.hearAnswer(origin.place, origin.strand, answer),
    sendFile: (place, strand, path) => gateway.sendFile(place, strand, path),
    tellOwner: (key, text) => gateway.tellOwner(key, text),
    reconfigure: (parts) => reconfigure(transports, parts),
    async stop(graceMs) {
      closing.abort()
      timers.dispose()
      outages.close()
      await Promise.all([gateway.close(graceMs), Promise.allSettled(listening)])
      await outbox.close(Math.min(graceMs, 2000))
      await Promise.all([...agent.providers.values()].map(async (provider) => provider.close?.()))
      store.close()
    },
  }
}

/** The life of a message while ductor is not running; empty where there is no store yet. */
export function readTrace(home: string, id: string): readonly TraceLine[] {
  using db = openForReading(join(home, storeFile))
  return sqliteStore(db).trace(id)
}

async function restart({ restart: again }: AppOptions, memory: Memory, place: Place): Promise<boolean> {
  await again?.(() => noteRestart(memory, place))
  return again !== undefined
}

function reconfigure(transports: ReadonlyMap<string, Transport>, parts: AppOptions['transports']): void {
  for (const { definition, config } of parts) {
    const transport = transports.get(definition.name)
    // Its own schema has made the configuration.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    transport?.reconfigure?.(config as never)
  }
}

function memoryOf(store: SqliteStore, source: string): Memory {
  return {
    recall: (key) => store.recall(source, key),
    list: (prefix) => store.list(source, prefix),
    remember: (entries) => store.remember(source, entries),
  }
}

/** Removes what is old, now and then. */
function prune(
  store: SqliteStore,
  transports: readonly Transport[],
  { settings, log }: AppOptions,
  timers: DisposableStack,
): void {
  const act = async () => {
    const before = Date.now() - settings().historyMs
    try {
      store.prune(before)
      for (const transport of transports) await transport.prune?.(before)
    } catch (error) {
      log.warn({ err: error }, 'what is old could not be removed')
    }
  }
  const soon = setTimeout(() => void act(), pruneAfterStartMs).unref()
  const daily = setInterval(() => void act(), pruneEveryMs).unref()
  timers.defer(() => clearTimeout(soon))
  timers.defer(() => clearInterval(daily))
}

async function expire(gateway: Gateway, log: Log): Promise<void> {
  try {
    await gateway.expireChoices()
  } catch (error) {
    log.warn({ err: error }, 'old choices could not be closed')
  }
}

async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  await Promise.all(promises)
}
