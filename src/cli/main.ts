import { UserError } from '../core/user-error.ts'
import { help } from './help.ts'
import { homeFolder } from './home.ts'
import { MisuseError } from './misuse.ts'
import { meant, readOptions, type Option } from './options.ts'
import { troubleInWords } from './trouble.ts'
import { verbs, type Verb } from './verbs.ts'
import { version } from './version.ts'

/** What a verb is called with. */
export interface Call {
  /** What follows the verb and is no option. */
  readonly words: readonly string[]
  readonly verbose: boolean
  readonly has: (option: string) => boolean
  readonly text: (option: string) => string | undefined
}

const everywhere: Readonly<Record<string, Option>> = {
  verbose: { type: 'boolean', short: 'v', says: 'tell more' },
  help: { type: 'boolean', short: 'h', says: 'what there is' },
  version: { type: 'boolean', says: 'which version this is' },
}

/** Carries out one command line; resolves with the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    return await carryOut(argv)
  } catch (error) {
    if (error instanceof UserError) return complain(error.message, 1)
    if (error instanceof MisuseError) {
      return complain(`ductor: ${error.message}\nRun “ductor help” for what there is.`, 2)
    }
    const trouble = troubleInWords(error, homeFolder(process.env))
    if (trouble !== undefined) return complain(trouble, 1)
    const said = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return complain(`ductor crashed: ${said}`, 1)
  }
}

async function carryOut(argv: readonly string[]): Promise<number> {
  const all = Object.assign({}, ...Object.values(verbs).map(({ options }) => options))
  const more: Readonly<Record<string, Option>> = Object.assign({}, ...(await Promise.all(extra(argv))))
  const given = readOptions(argv, { ...all, ...more, ...everywhere })
  const [name, ...words] = given.words
  if (given.has('version')) return print(version())
  if (name === 'help') return print(await help(words[0]))
  if (given.has('help')) return print(await help(name))
  const verb = find(name ?? 'run')
  const most = verb.words ?? 0
  if (words.length > most) throw new MisuseError(`“${name}” takes no “${words[most]}”`)
  const own = { ...verb.options, ...more }
  for (const option of Object.keys(all)) {
    if (given.has(option) && own[option] === undefined) {
      throw new MisuseError(`“${name ?? 'ductor'}” has no --${option}`)
    }
  }
  const { default: act } = await verb.load()
  return act({ words, verbose: given.has('verbose'), has: given.has, text: given.text })
}

/** The options that are not known without loading something, of the verb that is called. */
function extra(argv: readonly string[]) {
  return Object.entries(verbs).flatMap(([name, { more }]) =>
    argv.includes(name) && more !== undefined ? [more()] : [],
  )
}

function find(name: string): Verb {
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb !== undefined) return verb
  throw new MisuseError(`there is no “${name}”${meant(name, [...Object.keys(verbs), 'help'])}`)
}

function complain(text: string, code: number): number {
  process.stderr.write(`${text}\n`)
  return code
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
