import { diffOf } from './diff.ts'

const titleLimit = 80
const subjects = ['command', 'file_path', 'notebook_path', 'path', 'pattern', 'url', 'query', 'description']

/** A tool in a few words on one line: `Bash: ls -la`, and one of an MCP server `files: read /etc/hosts`. */
export function toolTitle(name: string, input: Readonly<Record<string, unknown>>): string {
  const subject = subjects.map((key) => input[key]).find((value) => typeof value === 'string')
  const { server, tool } = ownerOf(name)
  if (typeof subject !== 'string') return server === undefined ? tool : `${server}: ${tool}`
  const lead = server === undefined ? `${tool}:` : `${server}: ${tool}`
  const line = `${lead} ${subject.replaceAll(/\s+/g, ' ').trim()}`
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
  const { server, tool } = ownerOf(name)
  return server === undefined ? (acts[tool] ?? `Use ${tool}`) : `Use ${tool} of ${server}`
}

/** Claude writes the tools of MCP servers `mcp__server__tool`. */
function ownerOf(name: string): { readonly server?: string; readonly tool: string } {
  const [, server, tool] = /^mcp__(.+?)__(.+)$/.exec(name) ?? []
  return server === undefined || tool === undefined ? { tool: name } : { server, tool }
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
