import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { killTree, stillRunning, treeOf, type NotedProcess } from './kill-tree.ts'

const run = promisify(execFile)
/** What Linux counts the starts of processes in, on every architecture. */
const tickMs = 10
/** How far the clocks may be apart. */
const clockMs = process.platform === 'linux' ? 2 * tickMs : 1000

/**
 * The processes that a turn's tools started, of all that an agent has now: those that began when the agent was `age`
 * milliseconds old, or later. One process of the agent serves many turns: where others run at the same time (`alone` is
 * false), only those are told that run one of the turn's own `commands`.
 */
export async function toolsOf(
  agentPid: number,
  age: number,
  commands: readonly string[],
  alone: boolean,
): Promise<readonly NotedProcess[]> {
  const [agent, ...rest] = await treeOf(agentPid)
  if (agent === undefined) return []
  const since = rest.filter((each) => laterBy(agent, each) >= age - clockMs)
  if (alone) return since
  const own = await Promise.all(
    since.map(async (each) => {
      const line = await commandLine(each.pid)
      return commands.some((command) => line.includes(command)) ? await treeOf(each.pid) : []
    }),
  )
  return [...new Map(own.flat().map((each) => [each.pid, each])).values()]
}

/** Milliseconds from one start to the other. Linux tells them in ticks since boot, others as a date to the second. */
function laterBy(one: NotedProcess, other: NotedProcess): number {
  const ticks = Number(other.start) - Number(one.start)
  return Number.isNaN(ticks) ? Date.parse(other.start) - Date.parse(one.start) : ticks * tickMs
}

/** Waits until they are gone, and ends what is left after `patienceMs`. */
export async function clear(tools: readonly NotedProcess[], patienceMs: number): Promise<void> {
  const end = performance.now() + patienceMs
  let left = await stillRunning(tools)
  while (left.length > 0 && performance.now() < end) {
    await sleep(20)
    left = await stillRunning(left)
  }
  await Promise.all(left.map(({ pid }) => killTree(pid, patienceMs)))
}

async function commandLine(pid: number): Promise<string> {
  try {
    if (process.platform === 'linux')
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
    return (await run('ps', ['-o', 'args=', '-p', String(pid)])).stdout
  } catch {
    // It ended in the meantime.
    return ''
  }
}
