import { adapterNames, loadProvider, loadTransport } from '../adapters.ts'
import type { AppOptions } from '../app.ts'
import { loadConfig, type Adapters, type Loaded, type LoadedConfig } from '../config/load.ts'
import { sentence } from '../config/problem.ts'
import { UserError } from '../core/user-error.ts'
import { findProgram } from '../lib/find-program.ts'

export const adapters: Adapters = {
  transports: adapterNames('transports'),
  providers: adapterNames('providers'),
  transport: loadTransport,
  provider: loadProvider,
}

/** The configuration of this home. Throws `UserError` with all that is wrong with it. */
export async function configured(home: string): Promise<LoadedConfig> {
  const loaded = await loadConfig(home, adapters)
  if (loaded.state === 'missing') throw new UserError(howToBegin(loaded.path))
  return good(loaded)
}

/** Throws `UserError` where what runs would end and not begin again. */
export async function wouldBegin(home: string, not = 'restarted'): Promise<void> {
  try {
    await configured(home)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(`Not ${not}, for it would not start again. ${error.message}`, { cause: error })
  }
}

/** Throws all that is wrong with the file at once, a line each. */
export function good(loaded: Exclude<Loaded, { state: 'missing' }>): LoadedConfig {
  if (loaded.state === 'good') return loaded.config
  throw new UserError(complaint(loaded))
}

/** All that is wrong with the file, a line each. */
export function complaint({ path, begun, problems, warnings }: Extract<Loaded, { state: 'wrong' }>): string {
  const lines = problems.map((problem) => `  ${sentence(problem)}`)
  const begin = begun ? [] : [howToBegin(path)]
  const also = warnings.map(({ key, message }) => `warning: ${key}: ${message}`)
  return [...begin, `${path} cannot be used:`, ...lines, ...also].join('\n')
}

/** The one line for a home where nothing is configured. */
export function howToBegin(path: string): string {
  return `ductor is not configured: “ductor onboarding” asks for all it needs and writes ${path}; “ductor try” looks around without.`
}

/** The best first. */
export const order: readonly string[] = ['claude', 'codex', 'gemini']

/** The provider that was asked for, or the best one whose program is there; undefined if there is none. */
export function chooseProvider(
  { core, providers }: LoadedConfig,
  env: Readonly<Record<string, string | undefined>>,
  wanted?: string,
): AppOptions['providers'][number] | undefined {
  const name = wanted ?? core.provider
  if (name !== undefined) {
    const chosen = providers.get(name)
    if (chosen === undefined)
      throw new UserError(`There is no provider “${name}”; there are ${[...providers.keys()].join(', ')}.`)
    return chosen
  }
  // Then what the file adds by a name of its own.
  const added = [...providers.keys()].filter((one) => !adapters.providers.includes(one))
  return [...order, ...added].flatMap((one) => providers.get(one) ?? []).find((part) => available(part, env))
}

/** All that can run here, the chosen one first: what `/model` offers. */
export function runnable(
  { providers }: LoadedConfig,
  env: Readonly<Record<string, string | undefined>>,
  chosen: AppOptions['providers'][number],
): AppOptions['providers'] {
  const others = [...providers.values()].filter(
    (part) => part.definition.name !== chosen.definition.name && available(part, env),
  )
  return [chosen, ...others]
}

/** Is there a program to run: named in the file, or on the PATH under one of its usual names? */
export function available(
  { definition, config }: AppOptions['providers'][number],
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return hasCommand(config) || definition.programs.some((program) => findProgram(program, env) !== undefined)
}

function hasCommand(config: unknown): boolean {
  return typeof config === 'object' && config !== null && 'command' in config && config.command !== undefined
}
