import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { killTree, stillRunning, treeOf, type NotedProcess } from './kill-tree.ts'

const run = promisify(execFile)

/**
 * The processes that a turn's tools started, of all that an agent has now. One process of the agent serves many turns:
 * where others run at the same time (`alone` is false), only those are told that run one of the turn's own `commands`.
 */
export async function toolsOf(
  agentPid: number,
  before: readonly NotedProcess[],
  commands: readonly string[],
  alone: boolean,
): Promise<readonly NotedProcess[]> {
  const known = new Set(before.map(({ pid }) => pid))
  const since = (await treeOf(agentPid)).filter(({ pid }) => pid !== agentPid && !known.has(pid))
  if (alone) return since
  const own = await Promise.all(
    since.map(async (each) => {
      const line = await commandLine(each.pid)
      return commands.some((command) => line.includes(command)) ? await treeOf(each.pid) : []
    }),
  )
  return [...new Map(own.flat().map((each) => [each.pid, each])).values()]
}

/** Waits until they are gone, and ends what is left after `patienceMs`. */
export async function clear(tools: readonly NotedProcess[], patienceMs: number): Promise<void> {
  const end = Date.now() + patienceMs
  let left = await stillRunning(tools)
  while (left.length > 0 && Date.now() < end) {
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
