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

export interface FileRule {
  readonly access: FileAccess
  readonly workspace: string
}

/**
 * The folder that a person wants to look into, links resolved, if they may. Throws `UserError` with the sentence to
 * show.
 */
export async function folderWithin(path: string, rule: FileRule): Promise<string> {
  const { real, name } = await resolved(path, rule)
  if (real === undefined || !(await stat(real)).isDirectory())
    throw new UserError(`There is no folder ${name}.`)
  return real
}

/**
 * The file that an agent named, if it may be sent. A path that is not absolute belongs to the workspace, `~` to the
 * home folder. The check is made on what the path really leads to. Throws `UserError` with the sentence to show.
 */
export async function sendable(path: string, rule: FileRule): Promise<SendableFile> {
  const { real, name } = await resolved(path, rule)
  const facts = real === undefined ? undefined : await stat(real).catch(() => undefined)
  if (real === undefined || facts === undefined)
    throw new UserError(`The file ${name} was not sent: it is not there.`)
  if (!facts.isFile()) throw new UserError(`${name} was not sent: it is not a file.`)
  return { path: real, name, size: facts.size }
}

/** What a path really leads to, if that may be seen; no `real`: nothing is there. */
async function resolved(
  path: string,
  { access, workspace }: FileRule,
): Promise<{ readonly real: string | undefined; readonly name: string }> {
  const wanted = path.startsWith(`~${sep}`) || path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
  const absolute = isAbsolute(wanted) ? wanted : resolve(workspace, wanted)
  const real = await realpath(absolute).catch(() => undefined)
  // Whether something exists outside is nobody's business either: the same words for both.
  const roots = access === 'all' ? undefined : [workspace, ...(access === 'home' ? [homedir()] : [])]
  const name = basename(absolute)
  if (roots !== undefined && !(await isInside(real ?? absolute, roots)))
    throw new UserError(`${name} is out of reach: ${outside[access]}`)
  return { real, name }
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
