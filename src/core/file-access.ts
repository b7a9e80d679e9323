import { realpath, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { UserError } from './user-error.ts'

/** Which files may leave this machine: those of the workspace, of the person's home folder, or all. */
export type FileAccess = 'workspace' | 'home' | 'all'

export interface SendableFile {
  /** Absolute, links resolved. */
  readonly path: string
  readonly name: string
  /** Bytes. */
  readonly size: number
}

/**
 * The file that an agent named, if it may be sent. A path that is not absolute belongs to the workspace, `~` to the
 * home folder. The check is made on what the path really leads to. Throws `UserError` with the sentence to show.
 */
export async function sendable(
  path: string,
  { access, workspace, also = [] }: { access: FileAccess; workspace: string; also?: readonly string[] },
): Promise<SendableFile> {
  const wanted = path.startsWith(`~${sep}`) || path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
  const absolute = isAbsolute(wanted) ? wanted : resolve(workspace, wanted)
  const real = await realpath(absolute).catch(() => undefined)
  const facts = real === undefined ? undefined : await stat(real).catch(() => undefined)
  // Whether something exists outside is nobody's business either: the same words for both.
  const roots = access === 'all' ? undefined : [workspace, ...also, ...(access === 'home' ? [homedir()] : [])]
  const inside = roots === undefined || (await isInside(real ?? absolute, roots))
  if (!inside) throw new UserError(`The file ${basename(absolute)} was not sent: ${outside[access]}`)
  if (real === undefined || facts === undefined)
    throw new UserError(`The file ${basename(absolute)} was not sent: it is not there.`)
  if (!facts.isFile()) throw new UserError(`${basename(absolute)} was not sent: it is not a file.`)
  return { path: real, name: basename(absolute), size: facts.size }
}

const outside: Readonly<Record<FileAccess, string>> = {
  workspace: 'it lies outside the workspace (file_access is “workspace”).',
  home: 'it lies outside the home folder (file_access is “home”).',
  all: 'it may not be read.',
}

async function isInside(path: string, roots: readonly string[]): Promise<boolean> {
  for (const root of roots) {
    const real = await realpath(root).catch(() => undefined)
    if (real === undefined) continue
    const way = relative(real, path)
    if (way === '' || (!way.startsWith(`..${sep}`) && way !== '..' && !isAbsolute(way))) return true
  }
  return false
}
