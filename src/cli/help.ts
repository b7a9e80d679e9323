import { MisuseError } from './misuse.ts'
import { meant, type Option } from './options.ts'
import { verbs, type Verb } from './verbs.ts'

/** What `ductor help` prints; of one verb, with its options. */
export async function help(name?: string): Promise<string> {
  if (name === undefined) return overview()
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb === undefined) throw new MisuseError(`there is no “${name}”${meant(name, Object.keys(verbs))}`)
  const options = { ...verb.options, ...(await verb.more?.()) }
  return [`${usage(name, verb)}\n\n${sentence(verb.summary)}`, ...linesOf(options)].join('\n')
}

function overview(): string {
  const width = Math.max(...Object.entries(verbs).map(([name, verb]) => usage(name, verb).length))
  const lines = Object.entries(verbs).map(
    ([name, verb]) => `  ${usage(name, verb).padEnd(width)}  ${verb.summary}`,
  )
  return [
    'ductor puts the coding agents of this machine into your chats.',
    '',
    ...lines,
    '',
    'Everywhere: -v or --verbose tells more, --version, -h or --help (after a verb: of that one).',
    'DUCTOR_HOME names the home folder (~/.ductor); its config/config.json says what to run.',
  ].join('\n')
}

function linesOf(options: Readonly<Record<string, Option>>): string[] {
  const rows = Object.entries(options).map(([name, { type, short, says }]): [string, string] => [
    `${short === undefined ? '' : `-${short}, `}--${name}${type === 'string' ? ' …' : ''}`,
    says,
  ])
  if (rows.length === 0) return []
  const width = Math.max(...rows.map(([left]) => left.length))
  return ['', ...rows.map(([left, says]) => `  ${left.padEnd(width)}  ${says}`)]
}

function usage(name: string, { arguments: words }: Verb): string {
  return ['ductor', name, ...(words === undefined ? [] : [words])].join(' ')
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1) + (text.endsWith('?') ? '' : '.')
}
