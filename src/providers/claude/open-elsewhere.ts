import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { livingProcesses } from '../process-table.ts'
import { claudeFolder } from './home-folder.ts'

/** Milliseconds by which `ps` and Claude may disagree on when a process started. */
const startDoubt = 5000
const mostLooked = 500

/** A file that each Claude keeps of itself while it runs. What SIGKILL ended leaves its file behind. */
const card = z.object({
  pid: z.number(),
  sessionId: z.string(),
  procStart: z.string().nullish(),
  startedAt: z.number().nullish(),
})

/**
 * The pid of a Claude that is not `own` and has this session open; undefined where none has. Claude itself has no lock: two
 * processes in one session each go on with a branch of their own, and a later resume sees one of them.
 */
export async function whoHasOpen(
  sessionId: string,
  env: Readonly<Record<string, string>>,
  own?: number,
): Promise<number | undefined> {
  const folder = join(claudeFolder(env), 'sessions')
  const names = await readdir(folder).catch(() => [])
  const cards = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .slice(-mostLooked)
      .map((name) => readCard(join(folder, name))),
  )
  const found = cards.filter((each) => each?.sessionId === sessionId && each.pid !== own)
  if (found.length === 0) return undefined
  const starts = new Map((await livingProcesses()).map(({ pid, start }) => [pid, start]))
  return found.find((each) => each !== undefined && isSame(each, starts.get(each.pid)))?.pid
}

function isSame({ procStart, startedAt }: z.infer<typeof card>, start: string | undefined): boolean {
  if (start === undefined) return false
  if (process.platform === 'linux') return procStart === start
  return startedAt == null || Math.abs(Date.parse(start) - startedAt) < startDoubt
}

async function readCard(path: string): Promise<z.infer<typeof card> | undefined> {
  try {
    return card.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    // Half written, gone by now, or of another version: it says nothing.
    return undefined
  }
}
