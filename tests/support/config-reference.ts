import { writeFileSync } from 'node:fs'
import { z } from 'zod'
import { adapters } from '../../src/cli/load.ts'
import { hotKeys } from '../../src/config/hot-keys.ts'
import { notYet, schema } from '../../src/config/schema.ts'

/** The page that `npm run docs` writes and a test compares. */
export const referencePage = new URL('../../docs/reference/config.md', import.meta.url)

interface Node {
  type?: string | string[]
  description?: string
  default?: unknown
  properties?: Record<string, Node>
  required?: string[]
  items?: Node
  anyOf?: Node[]
  enum?: unknown[]
}

interface Row {
  readonly key: string
  readonly type: string
  readonly default: string
  readonly meaning: string
}

/** The reference of config.json, out of the schemas that judge it. */
export async function configReference(): Promise<string> {
  const sections = [
    ['## For everything', table(rowsOf(nodeOf(schema)))],
    ...(await Promise.all(
      adapters.transports.map(async (name) => [
        `## Transport ${name}`,
        table(rowsOf(nodeOf((await adapters.transport(name)).config))),
      ]),
    )),
    ...(await Promise.all(
      adapters.providers.map(async (folder) => {
        const { name, config, called } = await adapters.provider(folder)
        // The name of the block is the person's own.
        const block = called === undefined ? name : 'NAME'
        const title =
          called === undefined ? `Provider ${name}` : `Any agent that speaks ${name.toUpperCase()}`
        return [`## ${title}`, table(rowsOf(nodeOf(config), `providers.${block}.`))]
      }),
    )),
    ['## Known, but not supported yet', `${[...notYet].toSorted().map(code).join(', ')}.`],
  ]
  return [
    '# config.json',
    [
      '`~/.ductor/config/config.json`, or `config/config.json` in the folder that `DUCTOR_HOME` names. The file is yours:',
      'ductor reads it at the start and never writes it. All that is wrong with it is said at once; a key that ductor does',
      'not know is a warning with the nearest that it does. `.env` in the home folder fills gaps in the environment of the',
      'agents.',
    ].join('\n'),
    [
      'It is followed while ductor runs. From the next turn on these hold as they stand then:',
      `${[...hotKeys].toSorted().map(code).join(', ')}. A change of any other waits for`,
      '`ductor restart`, and `ductor status` says so.',
    ].join('\n'),
    'This page is made from the schemas: `npm run docs` writes it.',
    ...sections.flat(),
  ]
    .join('\n\n')
    .concat('\n')
}

function nodeOf(of: z.ZodType): Node {
  return z.toJSONSchema(of, { io: 'input', unrepresentable: 'any' }) as Node
}

function rowsOf({ properties = {}, required = [] }: Node, under = ''): Row[] {
  return Object.entries(properties).flatMap(([name, node]) => {
    const key = `${under}${name}`
    if (node.properties !== undefined) return rowsOf(node, `${key}.`)
    return [
      {
        key: code(key),
        type: typeOf(node),
        default: required.includes(name) ? '**needed**' : given(node.default),
        meaning: node.description ?? '',
      },
    ]
  })
}

function typeOf({ type, items, anyOf, enum: values }: Node): string {
  if (values !== undefined) return values.map((value) => code(JSON.stringify(value))).join(', ')
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ')
  if (type === 'array') return `list of ${items === undefined ? 'anything' : typeOf(items)}`
  return [type ?? []]
    .flat()
    .map((word) => words[word] ?? word)
    .join(' or ')
}

const words: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'number',
  object: 'block',
  boolean: 'true or false',
}

function given(value: unknown): string {
  return value === undefined || value === '' ? '' : code(JSON.stringify(value))
}

function code(text: string): string {
  return `\`${text}\``
}

function table(rows: readonly Row[]): string {
  if (rows.length === 0) return 'No keys.'
  const lines = rows.map((row) => `| ${row.key} | ${row.type} | ${row.default} | ${escaped(row.meaning)} |`)
  return ['| key | type | default | meaning |', '| --- | --- | --- | --- |', ...lines].join('\n')
}

function escaped(text: string): string {
  return text.replaceAll('|', String.raw`\|`)
}

if (import.meta.main) writeFileSync(referencePage, await configReference())
