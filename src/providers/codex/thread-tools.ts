import { endAll, treeOf, type NotedProcess } from '../kill-tree.ts'
import { livingProcesses, startedWith } from '../process-table.ts'

/** Codex gives it to each of its commands, and whatever a command starts inherits it. */
const mark = 'CODEX_THREAD_ID'

/** The processes that the tools of these threads started, wherever they hang. */
export async function toolsOf(threadIds: readonly string[]): Promise<readonly NotedProcess[]> {
  const roots = await startedWith(mark, new Set(threadIds), await livingProcesses())
  return (await Promise.all(roots.map(({ pid }) => treeOf(pid)))).flat()
}

/** Ends these, and all that the tools of these threads started since. */
export async function endTools(
  noted: readonly NotedProcess[],
  threadIds: readonly string[],
  graceMs: number,
): Promise<void> {
  const ids = new Set(threadIds)
  await endAll(async (living) => [...noted, ...(await startedWith(mark, ids, living))], graceMs)
}
