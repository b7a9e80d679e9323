import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { z } from 'zod'
import type { ProviderDefinition, TransportDefinition, Warning } from '../core/define.ts'
import { parseJson } from './json.ts'
import { schema, type CoreConfig } from './schema.ts'
import { nearest } from '../lib/nearest.ts'
import { unknownKeys } from './unknown-keys.ts'

/** Finds the adapters by name; app and tests bring their own. */
export interface Adapters {
  readonly transports: readonly string[]
  readonly providers: readonly string[]
  transport(name: string): Promise<TransportDefinition>
  provider(name: string): Promise<ProviderDefinition>
}

/** One thing that keeps the file from working: where, what is wrong and what would be right. */
export interface Problem {
  readonly key: string
  readonly message: string
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
}

export type Loaded =
  | { readonly state: 'missing'; readonly path: string }
  | {
      readonly state: 'wrong'
      readonly path: string
      readonly problems: readonly Problem[]
      readonly warnings: readonly Warning[]
    }
  | { readonly state: 'good'; readonly path: string; readonly config: LoadedConfig }

export function configPath(home: string): string {
  return join(home, 'config', 'config.json')
}

/** Reads `config/config.json` in the home folder. Never writes it. */
export async function loadConfig(home: string, adapters: Adapters): Promise<Loaded> {
  const path = configPath(home)
  let text: string
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { state: 'missing', path }
    return wrong(path, [
      { key: path, message: `cannot be read: ${error instanceof Error ? error.message : String(error)}` },
    ])
  }
  const parsed = parseJson(text)
  if ('fault' in parsed) {
    const { line, column, what, shown } = parsed.fault
    return wrong(path, [{ key: `line ${line}, column ${column}`, message: `${what}\n    ${shown.trim()}` }])
  }
  const file = z.record(z.string(), z.unknown()).safeParse(parsed.value)
  if (!file.success) return wrong(path, [{ key: path, message: 'the whole file must be one object: { … }' }])
  return judge(path, file.data, adapters)
}

/** What a file says by which nothing is configured: for `ductor try`. */
export async function emptyConfig(
  adapters: Adapters,
  transports: readonly string[],
  file: Readonly<Record<string, unknown>> = {},
): Promise<Loaded> {
  return judge('', { ...file, transports: [...transports] }, adapters)
}

async function judge(
  path: string,
  file: Readonly<Record<string, unknown>>,
  adapters: Adapters,
): Promise<Loaded> {
  const problems: Problem[] = []
  const core = schema.safeParse(file)
  if (!core.success) problems.push(...problemsOf(core.error, file))
  const transports = await judgeTransports(file, adapters, problems)
  const providers = await judgeProviders(file, adapters, problems)
  const everyTransport = await Promise.all(adapters.transports.map((name) => adapters.transport(name)))
  const warnings = [
    ...unknownKeys(file, [schema, ...everyTransport.map(({ config }) => config)]),
    ...transports.flatMap(({ definition, config }) => definition.warnings?.(config) ?? []),
    ...tooOpen(path, file),
  ]
  if (!core.success || problems.length > 0) return { state: 'wrong', path, problems, warnings }
  return { state: 'good', path, config: { core: core.data, transports, providers, warnings } }
}

async function judgeTransports(
  file: Readonly<Record<string, unknown>>,
  adapters: Adapters,
  problems: Problem[],
) {
  const chosen = chosenTransports(file)
  const good: { definition: TransportDefinition; config: unknown }[] = []
  for (const name of new Set(chosen)) {
    if (!adapters.transports.includes(name)) {
      const near = nearest(name, adapters.transports)
      const known =
        near === undefined ? `known are ${adapters.transports.join(', ')}` : `did you mean ${near}?`
      problems.push({ key: 'transports', message: `there is no transport “${name}”; ${known}` })
      continue
    }
    const definition = await adapters.transport(name)
    const config = definition.config.safeParse(file)
    if (config.success) good.push({ definition, config: config.data })
    else problems.push(...problemsOf(config.error, file))
  }
  return good
}

/** A non-empty `transports` wins, then `transport`; Telegram where the file names neither. */
function chosenTransports({ transport, transports }: Readonly<Record<string, unknown>>): readonly string[] {
  const list = z.array(z.string()).min(1).safeParse(transports)
  if (list.success) return list.data
  return [typeof transport === 'string' && transport !== '' ? transport : 'telegram']
}

async function judgeProviders(
  file: Readonly<Record<string, unknown>>,
  adapters: Adapters,
  problems: Problem[],
) {
  const blocks = z.record(z.string(), z.unknown()).safeParse(file['providers'] ?? {})
  const good = new Map<string, { definition: ProviderDefinition; config: unknown }>()
  const { provider } = file
  for (const name of [
    ...Object.keys(blocks.data ?? {}),
    ...(typeof provider === 'string' ? [provider] : []),
  ]) {
    if (adapters.providers.includes(name)) continue
    const key = name === provider ? 'provider' : `providers.${name}`
    problems.push({
      key,
      message: `this version cannot run “${name}”; it can run ${adapters.providers.join(', ')}`,
    })
  }
  for (const name of adapters.providers) {
    const definition = await adapters.provider(name)
    const config = definition.config.safeParse(blocks.data?.[name] ?? {})
    if (config.success) good.set(name, { definition, config: config.data })
    else problems.push(...problemsOf(config.error, {}, `providers.${name}`))
  }
  return good
}

function problemsOf(error: z.ZodError, file: Readonly<Record<string, unknown>>, under = ''): Problem[] {
  return error.issues.map(({ path, message, code }) => {
    const key = [...(under === '' ? [] : [under]), ...path.map(String)].join('.')
    const missing = code === 'invalid_type' && path.length > 0 && valueAt(file, path) === undefined
    return { key: key === '' ? 'config.json' : key, message: missing ? `is missing: ${message}` : message }
  })
}

function valueAt(file: unknown, path: readonly PropertyKey[]): unknown {
  const [key, ...rest] = path
  if (key === undefined) return file
  return typeof file === 'object' && file !== null ? valueAt(Reflect.get(file, key), rest) : undefined
}

function wrong(path: string, problems: readonly Problem[]): Loaded {
  return { state: 'wrong', path, problems, warnings: [] }
}

/** The file holds secrets: only its owner should read it. */
function tooOpen(path: string, file: Readonly<Record<string, unknown>>): Warning[] {
  if (path === '' || process.platform === 'win32' || !/token|password/.test(JSON.stringify(file))) return []
  const mode = statSync(path).mode & 0o777
  if ((mode & 0o077) === 0) return []
  return [{ key: path, message: `others on this machine can read its secrets; run: chmod 600 ${path}` }]
}

/** This process's environment, its gaps filled from `.env` in the home folder. */
export function environment(home: string, own: NodeJS.ProcessEnv): Record<string, string> {
  let more: NodeJS.Dict<string> = {}
  try {
    more = parseEnv(readFileSync(join(home, '.env'), 'utf8'))
  } catch {
    // Most homes have none.
  }
  const all = Object.entries({ ...more, ...own })
  return Object.fromEntries(all.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))
}
