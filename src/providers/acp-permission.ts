import type { PermissionAnswer, PermissionMode, TurnEvent } from '../core/provider.ts'
import { commandOf, oneLine } from './acp-decode.ts'
import type { PermissionOption, ToolCall } from './acp-wire.ts'

/** What became of a permission request, as the protocol words it. */
export type Outcome =
  | { readonly outcome: 'cancelled' }
  | { readonly outcome: 'selected'; readonly optionId: string }

type Requested = Extract<TurnEvent, { type: 'permission.requested' }>

/** Letters. Nobody decides by more, and a chat would not take it. */
const detailLimit = 200_000
/** Milliseconds, in which nothing else goes on; texts that are too unlike are told as one going and one coming. */
const diffMs = 200

const acts: Readonly<Record<string, string>> = {
  execute: 'Run a command',
  edit: 'Change a file',
  delete: 'Delete a file',
  move: 'Move a file',
  read: 'Read a file',
  search: 'Search',
  fetch: 'Open a web page',
  switch_mode: 'Go on in another mode',
}
const readingKinds = ['read', 'search', 'think']
const editingKinds = ['edit', 'delete', 'move']

/** What is done with a request where nobody needs to be asked; undefined: the person decides. */
export function decidedBy(
  mode: PermissionMode,
  { kind }: ToolCall,
  /** Does the agent itself know this mode? Then what it still asks is for the person. */
  known: boolean,
): PermissionAnswer | undefined {
  const reads = readingKinds.includes(kind ?? '')
  if (mode === 'readOnly' && !reads) return { allow: false }
  if (known) return undefined
  if (mode === 'bypassPermissions') return { allow: true }
  if (mode === 'acceptEdits' && (reads || editingKinds.includes(kind ?? ''))) return { allow: true }
  return undefined
}

/** The request, as a person gets to see it. `cwd`: where the turn works. */
export async function requestEvent(
  id: string,
  tool: ToolCall,
  options: readonly PermissionOption[],
  cwd: string,
): Promise<Requested> {
  const common = {
    type: 'permission.requested' as const,
    id,
    rememberable: forSession(options) !== undefined,
  }
  const title = acts[tool.kind ?? ''] ?? oneLine(tool.title ?? 'Use a tool')
  const command = commandOf(tool)
  if (command !== undefined && tool.kind === 'execute') {
    const where = whereOf(tool, cwd)
      .map((line) => `# ${line.replaceAll(/\s+/g, ' ')}\n`)
      .join('')
    return { ...common, title: acts['execute'] ?? title, detail: cut(`${where}${command}`), language: 'sh' }
  }
  const patch = await patchOf(tool)
  if (patch !== undefined) return { ...common, title, detail: cut(patch), language: 'diff' }
  return { ...common, title, ...whatElse(tool) }
}

/** Where a command runs, if that is not the conversation's own folder. */
function whereOf(tool: ToolCall, cwd: string): readonly string[] {
  const folder = tool.rawInput?.['cwd']
  if (typeof folder === 'string') return folder === cwd ? [] : [`in ${folder}`]
  // Gemini tells it in words: `[current working directory /work] (what for)`, `[in some/folder]`.
  return textsOf(tool).filter((text) => text.startsWith('[') && !text.includes(`directory ${cwd}]`))
}

/** The option that says what the person said. */
export function outcomeOf(answer: PermissionAnswer, options: readonly PermissionOption[]): Outcome {
  const chosen = answer.allow ? allowing(answer.remember === true, options) : refusing(options)
  return chosen === undefined ? { outcome: 'cancelled' } : { outcome: 'selected', optionId: chosen.optionId }
}

function allowing(remember: boolean, options: readonly PermissionOption[]): PermissionOption | undefined {
  const once = options.find(({ kind }) => kind === 'allow_once')
  // Some agents can only allow for good; the person wants it done.
  return remember ? (forSession(options) ?? once) : (once ?? forSession(options))
}

/** Allowed for this session, and not for ever: an answer in a chat changes no settings. */
function forSession(options: readonly PermissionOption[]): PermissionOption | undefined {
  const always = options.filter(({ kind }) => kind === 'allow_always')
  return (
    always.find(({ name }) => /\bsession\b/i.test(name) && !forEver(name)) ??
    always.find(({ name, optionId }) => !forEver(`${name} ${optionId}`))
  )
}

function forEver(words: string): boolean {
  return /future|permanent|save|for ?ever/i.test(words)
}

function refusing(options: readonly PermissionOption[]): PermissionOption | undefined {
  return (
    options.find(({ kind }) => kind === 'reject_once') ??
    options.find(({ kind }) => kind.startsWith('reject'))
  )
}

async function patchOf({ content }: ToolCall): Promise<string | undefined> {
  const diffs = (content ?? []).filter((part) => part.type === 'diff')
  if (diffs.length === 0) return undefined
  const { createTwoFilesPatch } = await import('diff')
  const patches = diffs.map(({ path, oldText, newText }) => {
    const before = oldText ?? ''
    const old = before === '' ? '/dev/null' : path
    const limits = { context: 3, timeout: diffMs }
    const made = createTwoFilesPatch(old, path, before, newText, undefined, undefined, limits)
    return made === undefined
      ? [`--- ${old}`, `+++ ${path}`, marked('-', before), marked('+', newText)].join('\n')
      : made.replace(/^=+\n/, '')
  })
  return patches.join('\n').trimEnd()
}

function marked(sign: string, text: string): string {
  return text.replaceAll(/^/gm, sign)
}

function textsOf({ content }: ToolCall): readonly string[] {
  return (content ?? []).flatMap((part) =>
    part.type === 'content' && part.content.type === 'text' ? [part.content.text] : [],
  )
}

function whatElse(tool: ToolCall): Pick<Requested, 'detail' | 'language'> {
  const { rawInput, locations, title } = tool
  if (rawInput !== undefined && rawInput !== null && Object.keys(rawInput).length > 0)
    return { detail: cut(JSON.stringify(rawInput, null, 2)), language: 'json' }
  const lines = [title ?? '', ...(locations ?? []).map(({ path }) => path), ...textsOf(tool)]
  return { detail: cut(lines.filter((line) => line !== '').join('\n')) }
}

function cut(detail: string): string {
  const rest = detail.length - detailLimit
  return rest > 0 ? `${detail.slice(0, detailLimit)}\n… and ${rest} more characters` : detail
}
