import { existsSync } from 'node:fs'
import { copyFile, cp, mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

/** Claude Code keeps sessions by folder and finds them only from there: what belongs to this one is copied over. */
export async function adopt(
  session: string,
  from: string,
  to: string,
  env: Readonly<Record<string, string>>,
): Promise<boolean> {
  const projects = join(env['CLAUDE_CONFIG_DIR'] ?? join(env['HOME'] ?? '', '.claude'), 'projects')
  const [old, fresh] = [join(projects, await nameOf(from)), join(projects, await nameOf(to))]
  const transcript = `${session}.jsonl`
  if (!/^[\w-]+$/.test(session) || !existsSync(join(old, transcript))) return false
  if (old === fresh || existsSync(join(fresh, transcript))) return true
  await mkdir(fresh, { recursive: true, mode: 0o700 })
  await copyFile(join(old, transcript), join(fresh, transcript))
  // What a session has put aside (long outputs, its helpers) stands in a folder of its name.
  if (existsSync(join(old, session))) await cp(join(old, session), join(fresh, session), { recursive: true })
  return true
}

/** As Claude Code names it: the folder's real path with a dash for all that is no letter and no digit. */
async function nameOf(folder: string): Promise<string> {
  const path = await realpath(folder).catch(() => folder)
  return path.replaceAll(/[^A-Za-z0-9]/g, '-')
}
