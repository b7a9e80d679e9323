import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const cache = join(import.meta.dirname, '../../.cache')
const installMs = 300_000
const run = promisify(execFile)

/** A CLI as its vendor publishes it on npm. */
interface CliPackage {
  readonly name: string
  /** npm's name of it. */
  readonly package: string
  /** Exactly this one. */
  readonly version: string
  /** The file to start, in the folder that npm installs into; a `.js` is run by our own Node. */
  readonly program: string
}

export interface InstalledCli {
  /** Program and first arguments. To be used once `why` has said that nothing is amiss. */
  readonly command: readonly [string, ...string[]]
  /**
   * Why the tests that need the real CLI cannot run here; undefined where they can. Where they must run (CI), it throws
   * instead. The first call installs it into `.cache`.
   */
  why(): Promise<string | undefined>
}

/** The real CLI, pinned, in a folder of its own under `.cache`. */
export function installedCli(cli: CliPackage): InstalledCli {
  const folder = join(cache, `${cli.name}-${cli.version}`)
  const program = join(folder, cli.program)
  const command: readonly [string, ...string[]] = cli.program.endsWith('.js')
    ? [process.execPath, program]
    : [program]
  return {
    command,
    async why() {
      try {
        await install(cli, folder, command)
        return undefined
      } catch (error) {
        if (process.env['CI'] !== undefined) throw error
        return `no ${cli.name} here: ${error instanceof Error ? error.message : String(error)}`
      }
    },
  }
}

/** What every CLI under test gets, and nothing of this machine's own. `home` is a fresh folder. */
export function cliEnv(home: string): Record<string, string> {
  return { HOME: home, TMPDIR: home, PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: 'C.UTF-8' }
}

async function install(cli: CliPackage, folder: string, [program, ...first]: readonly [string, ...string[]]) {
  const complete = join(folder, 'complete')
  if (existsSync(complete)) return
  await mkdir(cache, { recursive: true })
  await locked(`${folder}.lock`, async () => {
    if (existsSync(complete)) return
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder)
    await writeFile(join(folder, 'package.json'), '{"private":true}')
    // An older Node would be given an older CLI, without a word: ours comes first.
    const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
    const what = ['install', '-E', '--no-audit', '--no-fund', `${cli.package}@${cli.version}`]
    await run('npm', what, { cwd: folder, env: { ...process.env, PATH: path }, timeout: installMs })
    const said = await run(program, [...first, '--version'], { env: cliEnv(folder), cwd: folder })
    if (!said.stdout.includes(cli.version))
      throw new Error(`npm installed ${said.stdout.trim()}, not ${cli.version}`)
    await writeFile(complete, '')
  })
}

async function locked(lock: string, act: () => Promise<void>): Promise<void> {
  while (!(await taken(lock))) await sleep(200)
  try {
    await act()
  } finally {
    await rmdir(lock)
  }
}

async function taken(lock: string): Promise<boolean> {
  try {
    await mkdir(lock)
    return true
  } catch {
    // Somebody is at it; or was, and died: then the lock is older than any installation takes.
    const since = await stat(lock).catch(() => undefined)
    if (since !== undefined && Date.now() - since.mtimeMs > installMs)
      await rm(lock, { recursive: true, force: true })
    return false
  }
}
