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

/** What exactly it would do. Nothing is left out: the person decides by this. */
export function permissionDetail(name: string, input: Readonly<Record<string, unknown>>): string {
  const word = (key: string) => {
    const value = input[key]
    return typeof value === 'string' ? value : undefined
  }
  const file = word('file_path')
  const [before, after, content] = [word('old_string'), word('new_string'), word('content')]
  if (name === 'Bash' && word('command') !== undefined) return word('command') ?? ''
  if (name === 'Edit' && file !== undefined && before !== undefined && after !== undefined)
    return [file, marked('-', before), marked('+', after)].join('\n')
  if (name === 'Write' && file !== undefined && content !== undefined)
    return [file, marked('+', content)].join('\n')
  if (name === 'ExitPlanMode' && word('plan') !== undefined) return word('plan') ?? ''
  return JSON.stringify(input, null, 2)
}

function marked(sign: string, text: string): string {
  return text
    .split('\n')
    .map((line) => `${sign} ${line}`)
    .join('\n')
}
