import { join } from 'node:path'
import { startApp, type AppOptions } from '../app.ts'
import { environment, type LoadedConfig } from '../config/load.ts'
import { UserError } from '../core/user-error.ts'
import type { TransportReport } from '../core/transport.ts'
import { takeLock } from '../lib/lock.ts'
import { openLog } from '../lib/log.ts'
import { lockPath, openControl, readNote } from './control.ts'
import { version } from './main.ts'

export interface ForegroundOptions {
  readonly home: string
  readonly config: LoadedConfig
  readonly provider: AppOptions['provider']
  readonly verbose: boolean
}

/** Runs until it is told to stop; resolves with the exit code. */
export async function runInForeground({
  home,
  config,
  provider,
  verbose,
}: ForegroundOptions): Promise<number> {
  using lock = takeLock(lockPath(home))
  if (lock === undefined) throw new UserError(alreadyRunning(home))
  const { core, transports } = config
  const log = await openLog({
    path: join(home, 'logs', 'ductor.log'),
    level: verbose ? 'debug' : core.log_level,
    stderr: process.stderr.isTTY ? 'readable' : 'nothing',
  })
  const warnings = config.warnings.map(({ key, message }) => `${key}: ${message}`)
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
  const stopped = stopSignal()
  const announce = new Announcer(transports.map(({ definition }) => definition.name))
  const app = await startApp({
    home,
    log,
    transports,
    provider,
    env: environment(home, process.env),
    permissionMode: core.permission_mode,
    ...(core.model === undefined ? {} : { model: core.model }),
    backlogMaxAgeMs: core.backlog_max_age_minutes * 60_000,
    historyMs: core.history_days * 24 * 3600_000,
    warnings,
    onReport: (name, report) => announce.meet(name, report),
  })
  const startedAt = Date.now()
  await using _control = await openControl(home, version(), {
    status: () => ({
      running: true,
      pid: process.pid,
      version: version(),
      uptime_s: Math.round((Date.now() - startedAt) / 1000),
      ...app.status(),
    }),
    trace: (query) => app.trace(query.get('id') ?? ''),
    stop: () => {
      stopped.stop()
      return { stopping: true }
    },
  })
  await Promise.race([app.firstTries, stopped.first])
  if (!stopped.asked()) announce.ready()
  await stopped.first
  await app.stop(core.shutdown_grace_seconds * 1000)
  return 0
}

function alreadyRunning(home: string): string {
  const note = readNote(home)
  const who =
    note === undefined ? '' : ` (pid ${note.pid}, since ${new Date(note.startedAt).toLocaleString()})`
  return `ductor is already running on ${home}${who}. Stop it with “ductor stop”, or name another home with DUCTOR_HOME.`
}

/** SIGINT or SIGTERM: the first asks for an end in good order, the second ends at once. */
function stopSignal() {
  const { promise: first, resolve } = Promise.withResolvers<void>()
  let asked = false
  const stop = () => {
    if (asked) process.exit(1)
    asked = true
    resolve()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return { first, stop, asked: () => asked }
}

/** Says on standard output how the transports fare: all at once when each has tried, later each on its own. */
class Announcer {
  readonly #reports: Map<string, TransportReport>
  #ready = false

  constructor(names: readonly string[]) {
    this.#reports = new Map(names.map((name) => [name, { state: 'connecting' }]))
  }

  meet(name: string, report: TransportReport): void {
    this.#reports.set(name, report)
    if (this.#ready && report.state === 'connected') print(`${words(name, report)} again, ${sinceStart()}`)
    if (this.#ready && report.state === 'failed') process.stderr.write(`${words(name, report)}\n`)
  }

  ready(): void {
    this.#ready = true
    print(
      `ready ${[...this.#reports].map(([name, report]) => words(name, report)).join(', ')} in ${sinceStart()}`,
    )
  }
}

function words(name: string, { state, account, detail }: TransportReport): string {
  if (state === 'connected') return `${name} ${account ?? ''}`.trim()
  return `${name} ${state}${detail === undefined ? '' : ` (${detail})`}`
}

function sinceStart(): string {
  return `${Math.round(performance.now())} ms`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
