import { setTimeout as sleep } from 'node:timers/promises'
import { livingProcesses, type LivingProcess, type NotedProcess } from './process-table.ts'

export type { NotedProcess } from './process-table.ts'

/** What was sent SIGKILL and is still there after so long is beyond us: it waits for a disk or for its parent. */
const killedMs = 1000
/** Milliseconds between two looks: most end within the first ones. */
const firstLookMs = 20
const lastLookMs = 160

/** The process and all its descendants, children after their parents; empty where it is gone. */
export async function treeOf(root: number): Promise<readonly NotedProcess[]> {
  const living = await livingProcesses()
  return withDescendants(
    living.filter(({ pid }) => pid === root),
    living,
  )
}

/** Those of the noted processes that still run. */
export async function stillRunning(noted: readonly NotedProcess[]): Promise<readonly NotedProcess[]> {
  return among(noted, await livingProcesses())
}

/**
 * Ends a process and everything that it started, in whatever session or group: SIGTERM, and SIGKILL to what is
 * left after `graceMs`. Resolves when all is gone, or was sent SIGKILL and is about to be.
 */
export async function killTree(root: number, graceMs: number): Promise<void> {
  const noted = await treeOf(root)
  await endAll(() => noted, graceMs)
}

/**
 * Ends what `find` finds, now and while this is at it, with all descendants. They are noted before the first signal:
 * a child of a dead parent belongs to init, and no parent leads to it any more.
 */
export async function endAll(
  find: (living: readonly LivingProcess[]) => readonly NotedProcess[] | Promise<readonly NotedProcess[]>,
  graceMs: number,
): Promise<void> {
  const noted = new Map<string, NotedProcess>()
  const end = performance.now() + graceMs
  for (let pauseMs = firstLookMs; ; pauseMs = Math.min(pauseMs * 2, lastLookMs)) {
    const living = await livingProcesses()
    const known = among([...noted.values(), ...(await find(living))], living)
    const left = withDescendants(known, living)
    if (left.length === 0) return
    const late = performance.now() >= end
    for (const each of left) {
      const key = `${each.pid} ${each.start}`
      if (late) signal(each, 'SIGKILL')
      else if (!noted.has(key)) signal(each, 'SIGTERM')
      noted.set(key, each)
    }
    if (performance.now() >= end + killedMs) return
    await sleep(late ? firstLookMs : Math.min(pauseMs, Math.max(end - performance.now(), firstLookMs)))
  }
}

function among(noted: readonly NotedProcess[], living: readonly LivingProcess[]): readonly LivingProcess[] {
  const starts = new Map(noted.map(({ pid, start }) => [`${pid} ${start}`, true]))
  return living.filter(({ pid, start }) => starts.has(`${pid} ${start}`))
}

function withDescendants(
  roots: readonly LivingProcess[],
  living: readonly LivingProcess[],
): readonly NotedProcess[] {
  const found = new Set(roots)
  // Grows while it is walked, until nobody has children that are not in it.
  for (const { pid } of found) for (const each of living) if (each.parent === pid) found.add(each)
  return [...found].map(({ pid, start }) => ({ pid, start }))
}

function signal({ pid }: NotedProcess, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended in the meantime, which is what we want.
  }
}
