import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { shared } from '../lib/shared.ts'

const run = promisify(execFile)
/** Bytes: every command line and environment of a busy machine. */
const longestTable = 64 * 1024 * 1024

/** No more files or processes can be opened just now. */
const passing: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'])
const lookPauseMs = 50
const mostLooks = 40

/** A process, told from a later one with the same pid by when it started. */
export interface NotedProcess {
  readonly pid: number
  readonly start: string
}

export interface LivingProcess extends NotedProcess {
  readonly parent: number
}

/** Every process of this machine (or container) that has not ended. All who ask at once share one look. */
export const livingProcesses = shared<readonly LivingProcess[]>(
  patient(process.platform === 'linux' ? fromProc : fromPs),
)

/** One process, if it has not ended and one can look. */
export async function livingProcess(pid: number): Promise<LivingProcess | undefined> {
  if (process.platform === 'linux') return await patient(() => rowOf(String(pid)))().catch(() => undefined)
  return (await livingProcesses()).find((each) => each.pid === pid)
}

/** By the variable of the environment that is looked for. */
const looks: Record<string, () => Promise<ReadonlyMap<number, string>>> = {}

/** Which of these were started with one of `values` in the variable `name` of their environment, as far as we may look. */
export async function startedWith(
  name: string,
  values: ReadonlySet<string>,
  living: readonly LivingProcess[],
): Promise<readonly LivingProcess[]> {
  if (values.size === 0) return []
  const looked = await (looks[name] ??= shared(
    patient(() => (process.platform === 'linux' ? inProc(name) : inPs(name))),
  ))()
  return living.filter(({ pid }) => values.has(looked.get(pid) ?? ''))
}

/** This process and those that it comes from. */
export function ownLine(living: readonly LivingProcess[]): ReadonlySet<number> {
  const parents = new Map(living.map(({ pid, parent }) => [pid, parent]))
  const line = new Set<number>()
  for (let pid: number | undefined = process.pid; pid !== undefined && !line.has(pid); pid = parents.get(pid))
    line.add(pid)
  return line
}

/** Looks again for a while where there was no room to look: what is overlooked would be taken for ended. */
function patient<T>(look: () => Promise<T>): () => Promise<T> {
  return async () => {
    for (let times = 1; ; times += 1)
      try {
        return await look()
      } catch (error) {
        if (times === mostLooks || !isPassing(error)) throw error
        await sleep(lookPauseMs)
      }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && passing.has(error.code)
}

async function fromProc(): Promise<readonly LivingProcess[]> {
  const rows = await Promise.all((await pids()).map(rowOf))
  return rows.filter((row) => row !== undefined)
}

async function pids(): Promise<readonly string[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
}

async function rowOf(pid: string): Promise<LivingProcess | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold anything. After it: state, parent, …, and the start as the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return undefined
    return { pid: Number(pid), parent: Number(fields[1]), start: fields[19] ?? '' }
  } catch (error) {
    if (isPassing(error)) throw error
    // It ended while we were reading.
    return undefined
  }
}

async function fromPs(): Promise<readonly LivingProcess[]> {
  const stdout = await ps('-A', '-o', 'pid=,ppid=,stat=,lstart=')
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, state, start] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line) ?? []
    if (pid === undefined || start === undefined || state?.startsWith('Z') === true) return []
    return [{ pid: Number(pid), parent: Number(parent), start }]
  })
}

async function inProc(name: string): Promise<ReadonlyMap<number, string>> {
  const found = await Promise.all(
    (await pids()).map(async (pid) => {
      // Those of other users cannot be read, and are not ours.
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch((error: unknown) => {
        if (isPassing(error)) throw error
        return ''
      })
      const entry = environment.split('\0').find((each) => each.startsWith(`${name}=`))
      return [Number(pid), entry?.slice(name.length + 1) ?? ''] as const
    }),
  )
  return new Map(found)
}

async function inPs(name: string): Promise<ReadonlyMap<number, string>> {
  const entry = new RegExp(String.raw`^\s*(\d+)\s.*\s${name}=(\S+)`)
  return new Map(
    (await ps('eww', '-A', '-o', 'pid=,command=')).split('\n').flatMap((line) => {
      const [, pid, value] = entry.exec(line) ?? []
      return pid === undefined || value === undefined ? [] : [[Number(pid), value]]
    }),
  )
}

async function ps(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, LC_ALL: 'C' }
  return (await run('ps', args, { env, maxBuffer: longestTable })).stdout
}
