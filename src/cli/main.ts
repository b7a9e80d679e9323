import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { UserError } from '../core/user-error.ts'
import { nearest } from '../lib/nearest.ts'

/** What a verb is called with. */
export interface Call {
  readonly words: readonly string[]
  readonly json: boolean
  readonly verbose: boolean
  readonly port: string | undefined
  readonly provider: string | undefined
}

interface Verb {
  readonly summary: string
  readonly options: readonly ('json' | 'port' | 'provider')[]
  /** How many words may follow it. */
  readonly words: number
  /** Resolves with what carries it out and gives the exit code. */
  load(): Promise<{ default: (call: Call) => Promise<number> }>
}

const verbs: Readonly<Record<string, Verb>> = {
  run: {
    summary: 'run in the foreground (the same as no verb)',
    options: [],
    words: 0,
    load: () => import('./run.ts'),
  },
  try: {
    summary: 'a chat page on this machine, without any configuration',
    options: ['port', 'provider'],
    words: 0,
    load: () => import('./try.ts'),
  },
  status: {
    summary: 'is it running, and how does it fare?',
    options: ['json'],
    words: 0,
    load: () => import('./status.ts'),
  },
  doctor: {
    summary: 'check everything that can be wrong',
    options: ['json'],
    words: 0,
    load: () => import('./doctor.ts'),
  },
  trace: {
    summary: 'the life of one message, by its id',
    options: ['json'],
    words: 1,
    load: () => import('./trace.ts'),
  },
  stop: { summary: 'stop the running ductor', options: [], words: 0, load: () => import('./stop.ts') },
}

const flags = {
  json: { type: 'boolean' },
  port: { type: 'string' },
  provider: { type: 'string' },
  verbose: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const

/** Carries out one command line; resolves with the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options: flags, allowPositionals: true })
    const [name = 'run', ...words] = positionals
    if (values.version === true) return print(version())
    if (values.help === true || name === 'help') return print(help())
    const verb = verbs[name]
    if (verb === undefined) return misuse(`there is no “${name}”${meant(name)}`)
    if (words.length > verb.words) return misuse(`“${name}” takes no “${words[verb.words]}”`)
    for (const option of ['json', 'port', 'provider'] as const) {
      if (values[option] !== undefined && !verb.options.includes(option)) {
        return misuse(`“${name}” has no --${option}`)
      }
    }
    const { default: carryOut } = await verb.load()
    return await carryOut({
      words,
      json: values.json ?? false,
      verbose: values.verbose ?? false,
      port: values.port,
      provider: values.provider,
    })
  } catch (error) {
    if (error instanceof UserError) {
      process.stderr.write(`${error.message}\n`)
      return 1
    }
    if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
      return misuse(error.message)
    }
    throw error
  }
}

function meant(name: string): string {
  const near = nearest(name, [...Object.keys(verbs), 'help'])
  return near === undefined ? '' : `; did you mean “${near}”?`
}

function misuse(what: string): number {
  process.stderr.write(`ductor: ${what}\nRun “ductor help” for what there is.\n`)
  return 2
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

function help(): string {
  const lines = Object.entries(verbs).map(([name, { summary }]) => `  ductor ${name.padEnd(8)} ${summary}`)
  return [
    'ductor puts coding agents into your chats.',
    '',
    ...lines,
    '',
    'Options: --json, --verbose, --version, --help',
  ].join('\n')
}

/** From package.json, which stands two folders above this file in a checkout and in the package. */
export function version(): string {
  const own: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return typeof own === 'object' && own !== null && 'version' in own ? String(own.version) : 'unknown'
}
