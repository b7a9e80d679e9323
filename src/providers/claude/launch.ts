import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PermissionMode, Turn } from '../../core/provider.ts'
import { UserError } from '../../core/user-error.ts'

/** Claude's own names. `dontAsk` refuses what nobody has allowed. */
export const claudeModes: Readonly<Record<PermissionMode, string>> = {
  readOnly: 'dontAsk',
  ask: 'default',
  acceptEdits: 'acceptEdits',
  plan: 'plan',
  bypassPermissions: 'bypassPermissions',
}

/** Without the others no rule of a project can let Claude change anything. */
const readingTools = 'Read,Grep,Glob,WebSearch,TodoWrite'

/**
 * All that a turn must agree in to be run by a process that runs already: the rest can be changed by a word to it.
 * Bypassing must be said at the start, and so must the tools.
 */
export function shapeOf({ cwd, permissionMode }: Turn): string {
  const kind =
    permissionMode === 'readOnly' || permissionMode === 'bypassPermissions' ? permissionMode : 'asking'
  return JSON.stringify([cwd, kind])
}

/** `warm`: a process that is spoken to in JSON and stays; else one that takes one prompt as text and ends. */
export function argumentsOf(
  turn: Turn,
  warm: boolean,
  files: { readonly instructions: string | undefined; readonly tools: string | undefined },
): readonly string[] {
  const { resume, model, effort, permissionMode } = turn
  return [
    '-p',
    ...(warm ? ['--input-format=stream-json', '--permission-prompt-tool=stdio'] : []),
    '--output-format=stream-json',
    '--verbose',
    '--include-partial-messages',
    ...(resume === undefined ? [] : ['--resume', resume]),
    ...(model === undefined ? [] : ['--model', model]),
    ...(effort === undefined ? [] : ['--effort', effort]),
    ...(permissionMode === 'ask' ? [] : ['--permission-mode', claudeModes[permissionMode]]),
    ...(permissionMode === 'readOnly' ? ['--tools', readingTools] : []),
    ...(files.instructions === undefined ? [] : ['--append-system-prompt-file', files.instructions]),
    // What they do is asked about by ductor itself, where it must be.
    ...(files.tools === undefined
      ? []
      : [`--mcp-config=${files.tools}`, `--allowedTools=mcp__${turn.tools?.name}`]),
  ]
}

/** A file that only we may read: arguments are seen by everyone on the machine. */
export interface PrivateFile extends AsyncDisposable {
  readonly path: string
}

/** Undefined where there is nothing to say: a session that goes on was told when it began. */
export async function writeInstructions(
  { instructions, resume }: Turn,
  home: string,
): Promise<PrivateFile | undefined> {
  if (instructions === undefined || instructions === '' || resume !== undefined) return undefined
  return writePrivately(home, `claude-instructions-${randomUUID()}.md`, instructions)
}

/** Where Claude finds ductor's own tools; undefined where there are none. */
export async function writeTools({ tools }: Turn, home: string): Promise<PrivateFile | undefined> {
  if (tools === undefined) return undefined
  const { name, url, token } = tools
  const headers = { Authorization: `Bearer ${token}` }
  const text = JSON.stringify({ mcpServers: { [name]: { type: 'http', url, headers } } })
  return writePrivately(home, `claude-tools-${randomUUID()}.json`, text)
}

/** Throws `UserError` where it cannot be written. */
async function writePrivately(home: string, name: string, text: string): Promise<PrivateFile> {
  const folder = join(home, 'run')
  const path = join(folder, name)
  const remove = () => rm(path, { force: true })
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(path, text, { mode: 0o600 })
  } catch (error) {
    await remove().catch(() => {
      // What keeps it from being written may keep it from being removed.
    })
    const why = error instanceof Error ? error.message : String(error)
    throw new UserError(
      `Claude cannot be started, for ${folder} cannot be written. Make room or give the rights, and send it again. (${why})`,
    )
  }
  return { path, [Symbol.asyncDispose]: remove }
}
