import type { z } from 'zod'
import type { ProviderDefinition, TransportDefinition, Warning } from '../core/define.ts'
import { nearest } from '../lib/nearest.ts'
import { environmentPath } from './environment.ts'
import { blockOf, configPath, readConfigFile, secretsIn, type File } from './file.ts'
import { plainWords, problemsOf, sentence, type Problem } from './problem.ts'
import { tooOpen } from './rights.ts'
import { schema, type CoreConfig } from './schema.ts'
import { isFilledIn, shapeOf } from './shape.ts'
import { unknownKeys } from './unknown-keys.ts'

/** Finds the adapters by name; app and tests bring their own. */
export interface Adapters {
  readonly transports: readonly string[]
  readonly providers: readonly string[]
  transport(name: string): Promise<TransportDefinition>
  provider(name: string): Promise<ProviderDefinition>
}

export interface LoadedConfig {
  readonly core: CoreConfig
  readonly transports: readonly { readonly definition: TransportDefinition; readonly config: unknown }[]
  /** Each provider that there is, with its part of the file. */
  readonly providers: ReadonlyMap<
    string,
    { readonly definition: ProviderDefinition; readonly config: unknown }
  >
  readonly warnings: readonly Warning[]
  /** Values out of the file that must not be logged. */
  readonly secrets: readonly string[]
}

export type Loaded =
  | { readonly state: 'missing'; readonly path: string }
  | {
      readonly state: 'wrong'
      readonly path: string
      /** False: what no transport can do without is not filled in yet, so nobody has configured it so far. */
      readonly begun: boolean
      readonly problems: readonly Problem[]
      readonly warnings: readonly Warning[]
    }
  | { readonly state: 'good'; readonly path: string; readonly config: LoadedConfig }

/** The transport of a file that names none. */
export const defaultTransport = 'telegram'

/** A definition with what its schema made of the file. */
interface Judged<Definition> {
  readonly good: readonly (readonly [name: string, part: { definition: Definition; config: unknown }])[]
  readonly problems: readonly Problem[]
}

/** Reads `config/config.json` in the home folder, and finds all that is wrong with it. Never writes it. */
export async function loadConfig(home: string, adapters: Adapters): Promise<Loaded> {
  const path = configPath(home)
  const read = await readConfigFile(path)
  if (read === 'missing') return { state: 'missing', path }
  if ('problem' in read) return { state: 'wrong', path, begun: true, problems: [read.problem], warnings: [] }
  const loaded = await judge(path, read.file, adapters)
  const open = [
    ...(/token|password|api_key/.test(JSON.stringify(read.file)) ? tooOpen(path) : []),
    ...tooOpen(environmentPath(home)),
  ]
  if (loaded.state === 'wrong') return { ...loaded, warnings: [...loaded.warnings, ...open] }
  return { ...loaded, config: { ...loaded.config, warnings: [...loaded.config.warnings, ...open] } }
}

/**
 * For `ductor try`: nothing needs to be configured, and what a file says of the agent still holds. Only the web
 * page talks.
 */
export async function loadForTrial(
  home: string,
  adapters: Adapters,
  web: File,
): Promise<Exclude<Loaded, { state: 'missing' }>> {
  const path = configPath(home)
  const read = await readConfigFile(path)
  if (read !== 'missing' && 'problem' in read) {
    return { state: 'wrong', path, begun: true, problems: [read.problem], warnings: [] }
  }
  const file = read === 'missing' ? {} : read.file
  const { transport: _one, ...rest } = file
  const loaded = await judge(
    path,
    { ...rest, transports: ['web'], web: { ...blockOf(file['web']), ...web } },
    adapters,
  )
  if (loaded.state === 'wrong') return loaded
  // What the other transports would make of it is of no interest here.
  return { ...loaded, config: { ...loaded.config, warnings: [] } }
}

/** What is wrong with such a file, wherever it stands; `path` is only how it is called. */
export async function judge(
  path: string,
  file: File,
  adapters: Adapters,
): Promise<Exclude<Loaded, { state: 'missing' }>> {
  const core = schema.safeParse(file, { error: plainWords })
  const transports = await judgeTransports(file, adapters)
  const providers = await judgeProviders(file, adapters)
  const problems = once([
    ...(core.success ? [] : problemsOf(core.error, file)),
    ...transports.problems,
    ...providers.problems,
  ])
  const warnings = [
    ...(await unread(file, adapters)),
    ...providers.warnings,
    ...transports.good.flatMap(([, { definition, config }]) => definition.warnings?.(config) ?? []),
  ]
  if (core.success && problems.length === 0) {
    const config = {
      core: core.data,
      transports: transports.good.map(([, part]) => part),
      providers: new Map(providers.good),
      warnings,
      secrets: secretsIn(file),
    }
    return { state: 'good', path, config }
  }
  return { state: 'wrong', path, begun: await isBegun(file, adapters), problems, warnings }
}

/** Two transports may find the same fault in a key that both read. */
function once(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [sentence(problem), problem])).values()]
}

async function judgeTransports(file: File, adapters: Adapters): Promise<Judged<TransportDefinition>> {
  const chosen = chosenTransports(file)
  const judged = await Promise.all(
    [...new Set(chosen)].map(async (name) =>
      adapters.transports.includes(name)
        ? judgeOne(name, adapters.transport(name), file)
        : { good: [], problems: [noTransport(name, file, adapters)] },
    ),
  )
  const twice = chosen.find((name, index) => chosen.indexOf(name) !== index)
  return {
    good: judged.flatMap(({ good }) => good),
    problems: [
      ...(twice === undefined
        ? []
        : [{ key: 'transports', wrong: `names ${twice} twice`, right: 'each may be there once' }]),
      ...judged.flatMap(({ problems }) => problems),
    ],
  }
}

async function judgeOne<Definition extends { readonly config: z.ZodType }>(
  name: string,
  loading: Promise<Definition>,
  value: File,
  under: readonly string[] = [],
): Promise<Judged<Definition>> {
  const definition = await loading
  const config = definition.config.safeParse(value, { error: plainWords })
  if (!config.success) return { good: [], problems: problemsOf(config.error, value, under) }
  return { good: [[name, { definition, config: config.data }]], problems: [] }
}

function noTransport(name: string, file: File, { transports }: Adapters): Problem {
  const near = nearest(name, transports)
  const known = `there are ${transports.join(', ')}`
  return {
    key: Array.isArray(file['transports']) && file['transports'].length > 0 ? 'transports' : 'transport',
    wrong: `there is no transport “${name}”`,
    right: near === undefined ? known : `did you mean “${near}”? (${known})`,
  }
}

/** A non-empty `transports` wins, then `transport`; Telegram where the file names neither. */
function chosenTransports({ transport, transports }: File): readonly string[] {
  if (Array.isArray(transports) && transports.length > 0) {
    return transports.filter((name) => typeof name === 'string')
  }
  return [typeof transport === 'string' && transport !== '' ? transport : defaultTransport]
}

async function judgeProviders(
  file: File,
  adapters: Adapters,
): Promise<Judged<ProviderDefinition> & { readonly warnings: readonly Warning[] }> {
  const blocks = blockOf(file['providers'])
  const folders = await Promise.all(adapters.providers.map((name) => adapters.provider(name)))
  const definitions = [
    ...folders.filter(({ name, called }) => called === undefined && protocolOf(blocks[name]) === undefined),
    ...Object.entries(blocks).flatMap(([name, block]) => {
      const folder = folders.find((each) => each.name === protocolOf(block))
      return folder?.called?.(name) ?? []
    }),
  ]
  const judged = await Promise.all(
    definitions.map((each) =>
      judgeOne(each.name, Promise.resolve(each), blockOf(blocks[each.name]), ['providers', each.name]),
    ),
  )
  const names = definitions.map(({ name }) => name)
  const protocols = folders.filter(({ called }) => called !== undefined).map(({ name }) => name)
  const strangers = Object.keys(blocks).filter((name) => !names.includes(name))
  return {
    good: judged.flatMap(({ good }) => good),
    problems: [
      ...judged.flatMap((one) => one.problems),
      ...unknownProtocols(blocks, protocols),
      ...unknownChoice(file['provider'], names),
    ],
    warnings: [
      ...strangers
        .filter((name) => protocolOf(blocks[name]) === undefined)
        .map((name) => ({ key: `providers.${name}`, message: stranger(names, protocols) })),
      ...definitions.flatMap(({ name, config }) =>
        unknownKeys(blockOf(blocks[name]), [shapeOf(config)], `providers.${name}`),
      ),
    ],
  }
}

/** The protocol that a block of `providers` names, whatever it wrote there; undefined where it names none. */
function protocolOf(block: unknown): unknown {
  return blockOf(block)['protocol']
}

function unknownProtocols(blocks: File, protocols: readonly string[]): Problem[] {
  return Object.entries(blocks).flatMap(([name, block]) => {
    const protocol = protocolOf(block)
    if (protocol === undefined || protocols.some((known) => known === protocol)) return []
    const right = `there is ${protocols.map((known) => JSON.stringify(known)).join(', ')}`
    return [{ key: `providers.${name}.protocol`, wrong: `is ${JSON.stringify(protocol)}`, right }]
  })
}

function unknownChoice(chosen: unknown, names: readonly string[]): Problem[] {
  if (typeof chosen !== 'string' || names.includes(chosen)) return []
  const near = nearest(chosen, names)
  const known = `there are ${names.join(', ')}`
  const right = near === undefined ? known : `did you mean “${near}”? (${known})`
  return [{ key: 'provider', wrong: `this version cannot run “${chosen}”`, right }]
}

function stranger(names: readonly string[], protocols: readonly string[]): string {
  const how = protocols.map((protocol) => `"protocol": "${protocol}"`).join(' or ')
  return `this version cannot run it; there are ${names.join(', ')}${how === '' ? '' : `, and any agent with ${how} and a command`}`
}

/** Warnings of what nobody reads. The transports that are not asked for are loaded only where their keys may be meant. */
async function unread(file: File, adapters: Adapters): Promise<Warning[]> {
  const chosen = adapters.transports.filter((name) => chosenTransports(file).includes(name))
  const shapes = [shapeOf(schema), ...(await shapesOf(chosen, adapters)).values()]
  if (unknownKeys(file, shapes).length === 0) return []
  const others = await shapesOf(
    adapters.transports.filter((name) => !chosen.includes(name)),
    adapters,
  )
  const idle = [...others].filter(([, shape]) => (shape.required ?? []).length > 0 && isFilledIn(file, shape))
  return [
    ...unknownKeys(file, [...shapes, ...others.values()]),
    ...idle.map(([name]) => ({
      key: 'transports',
      message: `${name} has its settings in the file, but does not run: “transports” does not name it`,
    })),
  ]
}

async function isBegun(file: File, adapters: Adapters): Promise<boolean> {
  const chosen = chosenTransports(file)
  // A wrong name is a slip in a file that somebody began.
  if (chosen.some((name) => !adapters.transports.includes(name))) return true
  return [...(await shapesOf(chosen, adapters)).values()].some((shape) => isFilledIn(file, shape))
}

async function shapesOf(names: readonly string[], adapters: Adapters) {
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, shapeOf((await adapters.transport(name)).config)] as const),
    ),
  )
}
