import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { stillRunning, treeOf, type NotedProcess } from '../kill-tree.ts'

/**
 * The processes that the tools of these threads started, wherever they hang now. Codex gives each of its commands the
 * thread's id in the environment, and whatever a command starts inherits it, in a session of its own and after its
 * parent died, too. Linux only; elsewhere none are found, and Codex' own clean-up has to do.
 */
export async function toolsOf(threadIds: readonly string[]): Promise<readonly NotedProcess[]> {
  if (process.platform !== 'linux' || threadIds.length === 0) return []
  const marks = threadIds.map((id) => Buffer.from(`CODEX_THREAD_ID=${id}\0`))
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const marked = await Promise.all(
    pids.map(async (pid) => {
      const environment = await environmentOf(pid)
      return marks.some((mark) => environment.includes(mark)) ? await treeOf(pid) : []
    }),
  )
  return [...new Map(marked.flat().map((each) => [each.pid, each])).values()]
}

/** Waits for the end of these processes, and ends what is left after `graceMs`. */
export async function endTools(tools: readonly NotedProcess[], graceMs: number): Promise<void> {
  let left = await stillRunning(tools)
  const end = Date.now() + graceMs
  if (left.length > 0) signal(left, 'SIGTERM')
  while (left.length > 0 && Date.now() < end) {
    await sleep(20)
    left = await stillRunning(left)
  }
  signal(left, 'SIGKILL')
}

function signal(processes: readonly NotedProcess[], name: NodeJS.Signals): void {
  for (const { pid } of processes)
    try {
      process.kill(pid, name)
    } catch {
      // It ended in the meantime, which is what we want.
    }
}

async function environmentOf(pid: number): Promise<Buffer> {
  try {
    return await readFile(`/proc/${pid}/environ`)
  } catch {
    // It ended while we were reading, or is somebody else's.
    return Buffer.alloc(0)
  }
}
