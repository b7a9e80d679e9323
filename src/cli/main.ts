import { parseArgs } from 'node:util'
import { UserError } from '../core/user-error.ts'
import { nearest } from '../lib/nearest.ts'
import { MisuseError } from './misuse.ts'
import { version } from './version.ts'

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
  /** As help shows what may follow. */
  readonly arguments?: string
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
    arguments: '[--port N] [--provider NAME]',
    load: () => import('./try.ts'),
  },
  status: {
    summary: 'is it running, and how does it fare?',
    options: ['json'],
    words: 0,
    arguments: '[--json]',
    load: () => import('./status.ts'),
  },
  doctor: {
    summary: 'check everything that can be wrong',
    options: ['json'],
    words: 0,
    arguments: '[--json]',
    load: () => import('./doctor.ts'),
  },
  trace: {
    summary: 'the life of one message, by its id',
    options: ['json'],
    words: 1,
    arguments: 'ID [--json]',
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
    return await carryOut(argv)
  } catch (error) {
    if (error instanceof UserError) return complain(error.message, 1)
    if (error instanceof MisuseError) {
      return complain(`ductor: ${error.message}\nRun “ductor help” for what there is.`, 2)
    }
    const said = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return complain(`ductor crashed: ${said}`, 1)
  }
}

async function carryOut(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parse(argv)
  const [name = 'run', ...words] = positionals
  if (values.version === true) return print(version())
  if (values.help === true || name === 'help') return print(help())
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb === undefined) {
    throw new MisuseError(`there is no “${name}”${meant(name, [...Object.keys(verbs), 'help'])}`)
  }
  if (words.length > verb.words) throw new MisuseError(`“${name}” takes no “${words[verb.words]}”`)
  for (const option of ['json', 'port', 'provider'] as const) {
    if (values[option] !== undefined && !verb.options.includes(option)) {
      throw new MisuseError(`“${name}” has no --${option}`)
    }
  }
  const { default: act } = await verb.load()
  return act({
    words,
    json: values.json ?? false,
    verbose: values.verbose ?? false,
    port: values.port,
    provider: values.provider,
  })
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: flags, allowPositionals: true })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const unknown = /^Unknown option '(-[^']*)'/.exec(error.message)?.[1]
    if (unknown === undefined) throw new MisuseError(error.message, { cause: error })
    const known = Object.keys(flags).map((flag) => `--${flag}`)
    throw new MisuseError(`there is no option ${unknown}${meant(unknown, known)}`, { cause: error })
  }
}

function meant(word: string, words: readonly string[]): string {
  const near = nearest(word, words)
  return near === undefined ? '' : `; did you mean “${near}”?`
}

function complain(text: string, code: number): number {
  process.stderr.write(`${text}\n`)
  return code
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

function help(): string {
  const width = Math.max(...Object.entries(verbs).map(([name, verb]) => usage(name, verb).length))
  const lines = Object.entries(verbs).map(
    ([name, verb]) => `  ${usage(name, verb).padEnd(width)}  ${verb.summary}`,
  )
  return [
    'ductor puts the coding agents of this machine into your chats.',
    '',
    ...lines,
    '',
    'Everywhere: -v or --verbose tells more, --version, -h or --help.',
    'DUCTOR_HOME names the home folder (~/.ductor); its config/config.json says what to run.',
  ].join('\n')
}

function usage(name: string, { arguments: words }: Verb): string {
  return ['ductor', name, ...(words === undefined ? [] : [words])].join(' ')
}
