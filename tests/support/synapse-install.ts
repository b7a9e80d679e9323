import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const version = '1.163.2'
const cache = join(import.meta.dirname, '../../.cache')
const run = promisify(execFile)

/** How to start a Python that has Synapse. */
export interface Python {
  readonly command: readonly [program: string, ...first: string[]]
  readonly env: Readonly<Record<string, string>>
}

/**
 * Why the tests that need a homeserver cannot run here; undefined where they can. Where they must run (CI), it throws
 * instead. The first call installs Synapse into `.cache`, which may take a minute.
 */
export async function whyNoSynapse(): Promise<string | undefined> {
  try {
    await installedSynapse()
    return undefined
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error
    return `no Synapse here: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Installs Synapse unless it is there already: from PyPI, or else from the packages of Debian unstable. */
export async function installedSynapse(): Promise<Python> {
  const ways = [fromPyPI, fromDebian]
  const ready = ways.map((way) => way()).find(({ folder }) => existsSync(join(folder, 'complete')))
  if (ready !== undefined) return ready.python
  await mkdir(cache, { recursive: true })
  await using _lock = await lock(join(cache, `synapse-${version}.lock`))
  const faults: string[] = []
  for (const way of ways) {
    const { folder, python, install } = way()
    if (existsSync(join(folder, 'complete'))) return python
    await rm(folder, { recursive: true, force: true })
    try {
      await install()
      await run(python.command[0], [...python.command.slice(1), '-c', 'import synapse.app.homeserver'], {
        env: { ...process.env, ...python.env },
      })
      await writeFile(join(folder, 'complete'), '')
      return python
    } catch (error) {
      faults.push(`${way.name}: ${error instanceof Error ? error.message.trim() : String(error)}`)
      await rm(folder, { recursive: true, force: true })
    }
  }
  throw new Error(`Synapse ${version} cannot be installed (${faults.join('; ')})`)
}

interface Installation {
  readonly folder: string
  readonly python: Python
  readonly install: () => Promise<void>
}

function fromPyPI(): Installation {
  const folder = join(cache, `synapse-${version}`)
  return {
    folder,
    python: { command: [join(folder, 'bin/python')], env: {} },
    async install() {
      await run('python3', ['-m', 'venv', folder])
      const pip = ['install', '--quiet', '--retries', '1', '--timeout', '20']
      await run(join(folder, 'bin/pip'), [...pip, `matrix-synapse==${version}`])
    },
  }
}

/**
 * Debian unstable's own packages, unpacked beside the project and started by their own loader: the machine's Debian
 * stays as it is, and root is not needed.
 */
function fromDebian(): Installation {
  const folder = join(cache, 'synapse-debian-unstable')
  const [triple, loader] =
    process.arch === 'arm64'
      ? ['aarch64-linux-gnu', 'ld-linux-aarch64.so.1']
      : ['x86_64-linux-gnu', 'ld-linux-x86-64.so.2']
  const root = join(folder, 'root')
  const libraries = join(root, 'usr/lib', triple)
  return {
    folder,
    python: {
      command: [join(libraries, loader), '--library-path', libraries, join(root, 'usr/bin/python3')],
      env: { PYTHONHOME: join(root, 'usr'), PYTHONPATH: join(root, 'usr/lib/python3/dist-packages') },
    },
    async install() {
      const apt = join(folder, 'apt')
      for (const part of [
        'state/lists/partial',
        'cache/archives/partial',
        'etc/apt.conf.d',
        'etc/preferences.d',
      ]) {
        await mkdir(join(apt, part), { recursive: true })
      }
      await mkdir(root)
      await writeFile(join(apt, 'status'), '')
      const sources = await readFile('/etc/apt/sources.list.d/debian.sources', 'utf8')
      const mirror = /^URIs: *(\S+)/m.exec(sources)?.[1] ?? 'http://deb.debian.org/debian'
      const key = '/usr/share/keyrings/debian-archive-keyring.gpg'
      await writeFile(join(apt, 'etc/sources.list'), `deb [signed-by=${key}] ${mirror} sid main\n`)
      const options = [
        `Dir::State=${join(apt, 'state')}`,
        `Dir::State::status=${join(apt, 'status')}`,
        `Dir::Cache=${join(apt, 'cache')}`,
        `Dir::Etc=${join(apt, 'etc')}`,
        `APT::Sandbox::User=${process.env['USER'] ?? 'root'}`,
        'Acquire::Languages=none',
        'Acquire::Retries=1',
      ].flatMap((option) => ['-o', option])
      await run('apt-get', [...options, '-qq', 'update'])
      const getting = ['-qq', '-y', '--no-install-recommends', '--download-only', 'install', 'matrix-synapse']
      await run('apt-get', [...options, ...getting])
      const archives = join(apt, 'cache/archives')
      for (const name of await readdir(archives)) {
        if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(archives, name), root])
      }
      await rm(apt, { recursive: true })
    },
  }
}

/** A folder can be made by one process only. A lock whose process is gone is taken over. */
async function lock(folder: string): Promise<AsyncDisposable> {
  for (;;) {
    try {
      await mkdir(folder)
      await writeFile(join(folder, 'pid'), String(process.pid))
      return { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    if (await isAbandoned(folder)) await rm(folder, { recursive: true, force: true })
    else await sleep(200)
  }
}

async function isAbandoned(folder: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'))
    if (pid > 0) return !isAlive(pid)
    const aMinute = 60_000
    return Date.now() - (await stat(folder)).mtimeMs > aMinute
  } catch {
    // The lock was given back meanwhile, or its process has not written its id yet.
    return false
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
