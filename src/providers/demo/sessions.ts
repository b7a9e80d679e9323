import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const session = z.object({
  id: z.string(),
  cwd: z.string(),
  /** The first words of its first prompt. */
  title: z.string(),
  prompts: z.number(),
  /** Milliseconds since 1970. */
  updatedAt: z.number(),
  instructions: z.string().exactOptional(),
})
export type Session = z.infer<typeof session>

/** Undefined: there is no such session. */
export function readSession(folder: string, id: string): Session | undefined {
  if (!/^[\w-]+$/.test(id)) return undefined
  try {
    return session.parse(JSON.parse(readFileSync(join(folder, `${id}.json`), 'utf8')))
  } catch {
    // It was never there, or a power cut left half of it.
    return undefined
  }
}

export function writeSession(folder: string, written: Session): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${written.id}.json`), JSON.stringify(written))
}

/** Those that were begun in `cwd`, newest first. */
export function listSessions(folder: string, cwd: string): readonly Session[] {
  let names: readonly string[]
  try {
    names = readdirSync(folder)
  } catch {
    // No session was ever begun here.
    return []
  }
  return names
    .flatMap((name) => readSession(folder, name.replace(/\.json$/, '')) ?? [])
    .filter((one) => one.cwd === cwd)
    .toSorted((a, b) => b.updatedAt - a.updatedAt)
}
