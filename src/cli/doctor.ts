import { statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig, environment, type Loaded, type LoadedConfig } from '../config/load.ts'
import type { Finding, Log } from '../core/define.ts'
import type { Memory } from '../core/transport.ts'
import { isLocked } from '../lib/lock.ts'
import { openForReading, storeFile } from '../store/open.ts'
import { SqliteStore } from '../store/sqlite-store.ts'
import { lockPath, readNote } from './control.ts'
import { homeFolder } from './home.ts'
import { adapters, chooseProvider } from './load.ts'
import type { Call } from './main.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const limitMs = 20_000
const scarceBytes = 500_000_000

/** Checks what a person can get wrong; a line each, with the mend. Exit 1 if something is a problem. */
export default async function doctor({ json }: Call): Promise<number> {
  const home = homeFolder(process.env)
  const loaded = await loadConfig(home, adapters)
  const findings = [
    node(),
    instance(home),
    disk(home),
    store(home),
    ...configuration(loaded),
    ...(loaded.state === 'good' ? await connections(home, loaded.config) : []),
  ]
  for (const finding of findings) process.stdout.write(json ? `${JSON.stringify(finding)}\n` : line(finding))
  return findings.some(({ level }) => level === 'problem') ? 1 : 0
}

function line({ level, what, mend }: Finding): string {
  return `${level.padEnd(8)} ${what}${mend === undefined ? '' : `\n         → ${mend}`}\n`
}

function node(): Finding {
  return { level: 'ok', what: `Node ${process.versions.node}` }
}

function instance(home: string): Finding {
  const note = isLocked(lockPath(home)) ? readNote(home) : undefined
  return {
    level: 'ok',
    what: note === undefined ? `ductor is not running on ${home}` : `ductor runs (pid ${note.pid})`,
  }
}

function disk(home: string): Finding {
  try {
    const { bavail, bsize } = statfsSync(home)
    const free = bavail * bsize
    const what = `${Math.round(free / 1_000_000)} MB are free on the disk of ${home}`
    return free > scarceBytes
      ? { level: 'ok', what }
      : { level: 'warning', what, mend: 'free some space: nothing can be taken while the disk is full' }
  } catch {
    return { level: 'ok', what: `${home} will be made at the first start` }
  }
}

function store(home: string): Finding {
  const path = join(home, storeFile)
  try {
    const { size } = statSync(path)
    using db = openForReading(path)
    db.prepare('select count(*) from inbox').get()
    return { level: 'ok', what: `the store opens (${Math.round(size / 1000)} kB)` }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { level: 'ok', what: 'there is no store yet' }
    const why = error instanceof Error ? error.message : String(error)
    return {
      level: 'problem',
      what: `the store does not open: ${why}`,
      mend: `move ${path} away to begin with an empty one`,
    }
  }
}

function configuration(loaded: Loaded): Finding[] {
  if (loaded.state === 'missing') {
    return [
      {
        level: 'problem',
        what: `${loaded.path} is missing`,
        mend: 'write it (docs/getting-started.md), or look around with “ductor try”',
      },
    ]
  }
  const warnings = loaded.state === 'wrong' ? loaded.warnings : loaded.config.warnings
  return [
    ...(loaded.state === 'wrong'
      ? loaded.problems.map(({ key, message }): Finding => ({
          level: 'problem',
          what: `${key}: ${message}`,
          mend: `edit ${loaded.path}`,
        }))
      : [{ level: 'ok', what: `${loaded.path} is good` } as const]),
    ...warnings.map(({ key, message }): Finding => ({ level: 'warning', what: `${key}: ${message}` })),
  ]
}

async function connections(home: string, config: LoadedConfig): Promise<Finding[]> {
  const signal = AbortSignal.timeout(limitMs)
  const path = join(home, storeFile)
  const own = memoryOf(path)
  const deps = (name: string) => ({ home, log: silent, memory: own(name) })
  const asked = config.transports.map(async ({ definition, config: part }) => {
    try {
      return (await definition.diagnose?.(part, deps(definition.name), signal)) ?? []
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return [{ level: 'problem', what: `${definition.name}: ${why}` } as const]
    }
  })
  return [await provider(home, config, deps), ...(await Promise.all(asked)).flat()]
}

async function provider(
  home: string,
  config: LoadedConfig,
  deps: (name: string) => { home: string; log: Log; memory: Memory },
): Promise<Finding> {
  const chosen = chooseProvider(config)
  if (chosen === undefined) {
    return {
      level: 'problem',
      what: 'no coding agent was found on the PATH',
      mend: 'install Claude Code: npm install -g @anthropic-ai/claude-code',
    }
  }
  const { definition } = chosen
  const port = await definition.open(chosen.config, {
    ...deps(`provider/${definition.name}`),
    env: environment(home, process.env),
  })
  try {
    const health = await port.check?.(AbortSignal.timeout(limitMs))
    const what = `provider ${definition.name}${health?.version === undefined ? '' : ` ${health.version}`}`
    if (health === undefined || (health.installed && health.signedIn !== false)) return { level: 'ok', what }
    const wrong = health.installed ? 'is not signed in' : 'is not there'
    return {
      level: 'problem',
      what: `${what} ${wrong}`,
      ...(health.mend === undefined ? {} : { mend: health.mend }),
    }
  } finally {
    await port.close?.()
  }
}

/** What the adapters remember, for reading; a home without a store remembers nothing. */
function memoryOf(path: string): (source: string) => Memory {
  const read = <T>(look: (store: SqliteStore) => T, otherwise: T): T => {
    try {
      const opened = new SqliteStore(openForReading(path))
      try {
        return look(opened)
      } finally {
        opened.close()
      }
    } catch {
      // No store yet, or one that does not open: `store` has said so.
      return otherwise
    }
  }
  return (source) => ({
    recall: (key) => read((opened) => opened.recall(source, key), undefined),
    list: (prefix) => read((opened) => opened.list(source, prefix), []),
    remember() {},
  })
}
