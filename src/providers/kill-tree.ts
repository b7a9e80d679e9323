import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A process, told from a later one with the same pid by when it started. */
export interface NotedProcess {
  readonly pid: number
  readonly start: string
}

interface Row extends NotedProcess {
  readonly parent: number
}

/** The process and all its descendants, children after their parents; empty where it is gone. */
export async function treeOf(root: number): Promise<readonly NotedProcess[]> {
  const rows = await livingProcesses()
  const found = rows.filter(({ pid }) => pid === root)
  // Grows while it is walked, until nobody has children that are not in it.
  for (const { pid } of found) found.push(...rows.filter(({ parent }) => parent === pid))
  return found.map(({ pid, start }) => ({ pid, start }))
}

/** Those of the noted processes that still run. */
export async function stillRunning(noted: readonly NotedProcess[]): Promise<readonly NotedProcess[]> {
  const starts = new Map((await livingProcesses()).map(({ pid, start }) => [pid, start]))
  return noted.filter(({ pid, start }) => starts.get(pid) === start)
}

/**
 * Ends a process and everything that it started, in whatever session or group: SIGTERM, and SIGKILL to what is
 * left after `graceMs`. Resolves when all is gone or has been sent SIGKILL.
 */
export async function killTree(root: number, graceMs: number): Promise<void> {
  // Before the first signal: a child of a dead parent belongs to init and cannot be found any more.
  const noted = new Map((await treeOf(root)).map((each) => [each.pid, each]))
  signalAll([...noted.values()], 'SIGTERM')
  const end = Date.now() + graceMs
  let left = await stillRunning([...noted.values()])
  while (left.length > 0 && Date.now() < end) {
    await sleep(20)
    for (const each of (await Promise.all(left.map(({ pid }) => treeOf(pid)))).flat())
      noted.set(each.pid, each)
    left = await stillRunning([...noted.values()])
  }
  signalAll(left, 'SIGKILL')
}

function signalAll(processes: readonly NotedProcess[], signal: NodeJS.Signals): void {
  for (const { pid } of processes)
    try {
      process.kill(pid, signal)
    } catch {
      // It ended in the meantime, which is what we want.
    }
}

async function livingProcesses(): Promise<readonly Row[]> {
  return process.platform === 'linux' ? fromProc() : fromPs()
}

async function fromProc(): Promise<readonly Row[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const rows = await Promise.all(pids.map(rowOf))
  return rows.filter((row) => row !== undefined)
}

async function rowOf(pid: string): Promise<Row | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold anything. After it: state, parent, …, and the start as the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return undefined
    return { pid: Number(pid), parent: Number(fields[1]), start: fields[19] ?? '' }
  } catch {
    // It ended while we were reading.
    return undefined
  }
}

async function fromPs(): Promise<readonly Row[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,stat=,lstart='], {
    env: { ...process.env, LC_ALL: 'C' },
  })
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, state, start] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line) ?? []
    if (pid === undefined || start === undefined || state?.startsWith('Z') === true) return []
    return [{ pid: Number(pid), parent: Number(parent), start }]
  })
}
