import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

const boot = join(import.meta.dirname, 'small-machine.sh')
const visitor = 4242
const tools = ['unshare', 'nsenter', 'setpriv', 'pivot_root', 'ip', 'dbus-daemon', 'loginctl', 'journalctl']
const namespaces = ['--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup']

/** Where the second version of control groups is mounted, and where this process stands in it. */
function ownGroup(): string | undefined {
  const mounted = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(
    readFileSync('/proc/self/mountinfo', 'utf8'),
  )?.[1]
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
  return mounted === undefined || own === undefined ? undefined : join(mounted, own)
}

/** The reason why no small machine can be had here; undefined where one can. */
export function whyNoSmallMachine(): string | undefined {
  if (process.platform !== 'linux') return 'systemd is of Linux'
  if (process.getuid?.() !== 0) return 'only root can start a systemd of its own'
  if (!existsSync('/lib/systemd/systemd')) return 'no systemd is installed'
  const lacking = tools.find((tool) => spawnSync('which', [tool]).status !== 0)
  if (lacking !== undefined) return `no ${lacking} is installed`
  if (ownGroup() === undefined) return 'no cgroup2 is mounted'
  const tried = spawnSync('unshare', [...namespaces, '--fork', 'sh', '-c', tryOut], { encoding: 'utf8' })
  return tried.status === 0 ? undefined : `this system does not let us: ${tried.stderr.split('\n')[0] ?? ''}`
}

const tryOut = [
  'set -e; mount --make-rprivate /; mount -t tmpfs tmpfs /mnt; mkdir /mnt/u /mnt/w /mnt/r /mnt/c',
  'mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r',
  'mount -t cgroup2 cgroup2 /mnt/c',
].join('\n')

/** What became of a command in the small machine. */
export interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * A machine within this one whose first process is a real systemd, with a person called visitor who has a systemd of
 * their own. It touches nothing of the machine around it.
 */
export class SmallMachine implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #stand: string
  readonly #group: string
  readonly #path: string

  private constructor(child: ChildProcess, stand: string, group: string, path: string) {
    this.#child = child
    this.#stand = stand
    this.#group = group
    this.#path = path
  }

  /** `given`: a folder that it sees, read only, as /opt/given. `path`: folders below it where programs are. */
  static async start(given: string, path: readonly string[]): Promise<SmallMachine> {
    const stand = mkdtempSync(join(tmpdir(), 'ductor-small-'))
    const group = join(ownGroup() ?? '', `ductor-small-${process.pid}`)
    mkdirSync(group)
    const enter = 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"'
    const line = ['unshare', ...namespaces, '--fork', '--kill-child=KILL', 'sh', boot, stand, given]
    // It dies with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', enter, 'sh', group, ...line], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const self = new SmallMachine(
      child,
      stand,
      group,
      [...path.map((folder) => join('/opt/given', folder)), '/usr/bin', '/bin'].join(':'),
    )
    await eventually(async () => (await self.run('systemctl', '--user', 'is-system-running')).code === 0)
    return self
  }

  /** As the visitor, logged in. */
  run(...line: readonly string[]): Promise<Said> {
    return this.runWith({ XDG_RUNTIME_DIR: `/run/user/${visitor}` }, ...line)
  }

  runWith(env: Readonly<Record<string, string>>, ...line: readonly string[]): Promise<Said> {
    const variables = Object.entries({ HOME: '/home/visitor', PATH: this.#path, ...env })
    const person = [`--reuid=${visitor}`, `--regid=${visitor}`, '--init-groups']
    const inside = ['-t', String(this.#first()), '-m', '-p', '-u', '-i', '-n', '-C']
    const settings = variables.map(([name, value]) => `${name}=${value}`)
    const all = [...inside, 'setpriv', ...person, 'env', '-i', ...settings, ...line]
    return new Promise((resolve) => {
      execFile('nsenter', all, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, stdout, stderr })
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await ended
    // The kernel needs a moment for the last of its processes.
    await eventually(() => {
      removeGroup(this.#group)
      return true
    })
    rmSync(this.#stand, { recursive: true })
  }

  /** Its systemd, by our own count. */
  #first(): number {
    const { pid } = this.#child
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim())
  }
}

function removeGroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(path, entry.name))
  }
  rmdirSync(path)
}
