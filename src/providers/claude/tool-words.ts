import { diffOf } from './diff.ts'

const titleLimit = 80
const subjects = ['command', 'file_path', 'notebook_path', 'path', 'pattern', 'url', 'query', 'description']

/** A tool in a few words on one line: `Bash: ls -la`. */
export function toolTitle(name: string, input: Readonly<Record<string, unknown>>): string {
  const subject = subjects.map((key) => input[key]).find((value) => typeof value === 'string')
  if (typeof subject !== 'string') return name
  const line = `${name}: ${subject.replaceAll(/\s+/g, ' ').trim()}`
  return line.length > titleLimit ? `${line.slice(0, titleLimit - 1)}…` : line
}

const acts: Readonly<Record<string, string>> = {
  Bash: 'Run a command',
  Write: 'Write a file',
  Edit: 'Change a file',
  MultiEdit: 'Change a file',
  NotebookEdit: 'Change a notebook',
  Read: 'Read a file',
  WebFetch: 'Open a web page',
  WebSearch: 'Search the web',
  ExitPlanMode: 'Carry out the plan',
}

/** What the tool would do, in a few words. */
export function permissionTitle(name: string): string {
  return acts[name] ?? `Use ${name}`
}

/** What exactly a tool would do, and what that is written in. */
export interface Detail {
  readonly detail: string
  readonly language?: string
}

/** Nothing is left out: the person decides by this. `plan`: what Claude last wrote into its plan. */
export async function permissionDetail(
  name: string,
  input: Readonly<Record<string, unknown>>,
  { cwd, plan }: { readonly cwd: string; readonly plan: string | undefined },
): Promise<Detail> {
  const { command, plan: told = plan } = input
  if (name === 'Bash' && typeof command === 'string')
    return { detail: `# in ${cwd}\n${command}`, language: 'sh' }
  if (name === 'ExitPlanMode')
    return {
      detail: typeof told === 'string' ? told : 'The plan, as Claude told it above.',
      language: 'markdown',
    }
  const diff = name in acts ? await diffOf(input) : undefined
  return diff === undefined
    ? { detail: JSON.stringify(input, null, 2), language: 'json' }
    : { detail: diff, language: 'diff' }
}
