import { join } from 'node:path'
import type { App, AppOptions, StatusFacts } from '../app.ts'
import { openDuctor, type AgentPlan, type DuctorOptions } from '../ductor.ts'
import type { Adapters, LoadedConfig } from '../config/load.ts'
import type { Log } from '../core/define.ts'
import { UserError } from '../core/user-error.ts'
import { takeLock } from '../lib/lock.ts'
import { openLog } from '../lib/log.ts'
import { redactor } from '../lib/redact.ts'
import { isSupervised, restartAfterCrash, restartCode } from '../service/restart-self.ts'
import { storeFile } from '../store/open.ts'
import { Announcer } from './announcer.ts'
import { lockPath, openControl, readNote } from './control.ts'
import { lastLines } from '../lib/last-lines.ts'
import { runnable, wouldBegin } from './load.ts'
import { LiveConfig } from './live-config.ts'
import { environmentOf, settingsOf } from './settings.ts'
import { subAgents } from './sub-agents.ts'
import { version } from './version.ts'

export interface ForegroundOptions {
  readonly home: string
  readonly config: LoadedConfig
  /** The one that answers where nobody chose another. */
  readonly provider: AppOptions['providers'][number]
  readonly env: Readonly<Record<string, string>>
  readonly verbose: boolean
  /** Where given, a change of config.json is acted on. */
  readonly adapters?: Adapters
}

/** Runs until it is told to stop; resolves with the exit code. */
export async function runInForeground(options: ForegroundOptions): Promise<number> {
  const { home, config } = options
  using lock = takeLock(lockPath(home))
  if (lock === undefined) throw new UserError(alreadyRunning(home))
  const log = await openLog({
    path: join(home, 'logs', 'ductor.log'),
    level: options.verbose ? 'debug' : config.core.log_level,
    stderr: stderrOf(options),
    secrets: config.secrets,
  })
  leaveLastWords(log)
  log.info({ pid: process.pid, version: version(), node: process.versions.node, home }, 'starting')
  using live = new LiveConfig(config, log)
  for (const warning of live.warnings) process.stderr.write(`warning: ${warning}\n`)
  const stopped = stopSignals()
  let app: App | undefined
  await using _control = await openControl(home, {
    version: version(),
    answers: answersOf(options, live, stopped, () => app),
    log,
    configured: options.adapters !== undefined,
  })
  const names = config.transports.map(({ definition }) => definition.name)
  const announcer = new Announcer(names, announce)
  const restart = async (begins: () => void) => {
    if (options.adapters !== undefined) await wouldBegin(home)
    begins()
    stopped.ask(restartCode)
  }
  app = await begin({
    main: { ...planOf(options, log, live, announcer), restart },
    graceMs: () => live.core.shutdown_grace_seconds * 1000,
    ...(options.adapters === undefined ? {} : { agents: subAgents(options, options.adapters, log) }),
  })
  const running = app
  live.changed = ({ core, transports }) => {
    if (!options.verbose) log.level = core.log_level
    running.reconfigure(transports)
  }
  live.complained = (problems) => running.tellOwner(`config/${Date.now()}`, aboutConfig(problems))
  if (options.adapters !== undefined) await live.follow(home, options.adapters)
  await Promise.race([app.firstTries, stopped.asked])
  if (!stopped.wasAsked()) {
    announcer.ready(performance.now())
    log.info({ transports: app.status().transports }, 'ready')
  }
  await stopped.asked
  const graceSeconds = live.core.shutdown_grace_seconds
  log.info({ graceSeconds }, 'stopping')
  await app.stop(graceSeconds * 1000)
  log.info({ code: stopped.code() }, 'stopped')
  return stopped.code()
}

async function begin(options: DuctorOptions): Promise<App> {
  const { log, home } = options.main
  try {
    return await openDuctor(options)
  } catch (error) {
    log.error({ err: error }, 'could not start')
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR')) throw error
    const path = join(home, storeFile)
    throw new UserError(`The store ${path} does not open: ${error.message}. “ductor doctor” says more.`, {
      cause: error,
    })
  }
}

function planOf(
  { home, config, provider, env }: ForegroundOptions,
  log: Log,
  live: LiveConfig,
  announcer: Announcer,
): AgentPlan {
  const { core, transports } = config
  const providers = runnable(config, env, provider)
  const chosen = () => {
    const { provider: name } = live.core
    return providers.find(({ definition }) => definition.name === name)?.definition.name
  }
  return {
    home,
    log,
    transports,
    providers,
    env: environmentOf(core, env),
    settings: () => settingsOf(live.core, chosen() ?? provider.definition.name),
    ...(core.transcription.audio_command === undefined
      ? {}
      : { transcribe: core.transcription.audio_command }),
    warnings: () => live.warnings,
    lastLog: () => lastLines(join(home, 'logs', 'ductor.log')),
    onReport(name, report) {
      log.info({ transport: name, ...report }, 'a transport reports')
      announcer.meet(name, report)
    },
  }
}

/** A supervisor keeps what is said here as a log: without the token of the page, which “ductor status” tells. */
function announce(line: string): void {
  const kept = isSupervised(process.env) && !process.stdout.isTTY
  process.stdout.write(`${kept ? redactor()(line) : line}\n`)
}

/** Readable lines for whoever looks on; JSON for whoever asked for more and has no terminal. */
function stderrOf({ verbose }: ForegroundOptions): 'readable' | 'json' | 'nothing' {
  if (process.stderr.isTTY) return 'readable'
  return verbose ? 'json' : 'nothing'
}

/** A fault of ours ends the process: the store holds all that counts, and a half-broken one would do harm. It begins anew. */
function leaveLastWords(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'crashed')
    process.stderr.write(
      `ductor crashed: ${error instanceof Error ? error.message : String(error)}\n` +
        'The log says more. Nothing is lost: the next start takes up what was unfinished.\n',
    )
    restartAfterCrash(process.env)
    process.exit(1)
  })
}

function answersOf(
  { config, provider }: ForegroundOptions,
  live: LiveConfig,
  stopped: StopSignals,
  app: () => App | undefined,
): ReadonlyMap<string, (query: URLSearchParams) => unknown> {
  const startedAt = Date.now()
  const stop = (code?: number) => {
    stopped.ask(code)
    return { stopping: true, grace_s: live.core.shutdown_grace_seconds }
  }
  const starting: StatusFacts = {
    transports: config.transports.map(({ definition: { name } }) => ({
      name,
      account: null,
      state: 'connecting',
      last_event_at: null,
      detail: null,
    })),
    agents: [{ name: 'main', provider: provider.definition.name }],
    turns: { running: 0, queued: 0 },
    outbox: { pending: 0, failed: 0 },
    store: { trouble: null },
    warnings: [],
  }
  return new Map<string, (query: URLSearchParams) => unknown>([
    [
      'status',
      () => ({
        running: true,
        pid: process.pid,
        version: version(),
        uptime_s: Math.round((Date.now() - startedAt) / 1000),
        ...(app()?.status() ?? starting),
      }),
    ],
    ['trace', (query) => app()?.trace(query.get('id') ?? '') ?? []],
    ['stop', () => stop()],
    ['restart', () => stop(restartCode)],
  ])
}

function aboutConfig(problems: readonly string[]): string {
  if (problems.length === 0) return 'config.json is good again.'
  return ['⚠ config.json cannot be used, so the settings of before hold:', ...problems].join('\n')
}

function alreadyRunning(home: string): string {
  const note = readNote(home)
  const who = note === undefined ? '' : ` (pid ${note.pid}, since ${new Date(note.startedAt).toISOString()})`
  return `ductor is already running here, on ${home}${who}. Stop it with “ductor stop”, or name another home with DUCTOR_HOME.`
}

interface StopSignals {
  readonly asked: Promise<void>
  /** Asks for an end in good order; `code` is what the process ends with. */
  readonly ask: (code?: number) => void
  readonly wasAsked: () => boolean
  readonly code: () => number
}

/** The first signal asks for an end in good order, the second ends at once. */
function stopSignals(): StopSignals {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  let wasAsked = false
  let code = 0
  const ask = (ending = 0) => {
    wasAsked = true
    code = ending
    resolve()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (wasAsked) process.exit(1)
      ask()
    })
  }
  return { asked, ask, wasAsked: () => wasAsked, code: () => code }
}
