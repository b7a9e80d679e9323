import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import type { LoadedConfig } from '../../config/load.ts'
import type { Finding, ProviderDefinition } from '../../core/define.ts'
import type { ProviderHealth } from '../../core/provider.ts'
import { available, chooseProvider } from '../load.ts'
import { offline, reason } from './offline.ts'

interface Part {
  readonly definition: ProviderDefinition
  readonly config: unknown
}

/** The one that will answer must be able to; of the others that are there it is good to know. */
export async function providers(
  home: string,
  config: LoadedConfig,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Finding[]> {
  const chosen = chooseProvider(config, env)
  const others = [...config.providers.values()].filter((part) => part !== chosen && available(part, env))
  const healths = await Promise.all(others.map((part) => checkProvider(part, home, env, signal)))
  const spare = others.map(({ definition: { name } }, index): Finding => {
    const { wrong, what } = told(name, healths[index])
    return { level: 'ok', what: `${what}${wrong === undefined ? '' : `, ${wrong}`} (in reserve)` }
  })
  if (chosen === undefined) {
    const mend =
      'install Claude Code: npm install -g @anthropic-ai/claude-code (or name its program in providers.claude.command)'
    return [{ level: 'problem', what: 'no coding agent was found on the PATH', mend }, ...spare]
  }
  const health = await checkProvider(chosen, home, env, signal)
  const { wrong, what } = told(chosen.definition.name, health)
  if (wrong === undefined) return [{ level: 'ok', what: `${what} answers` }, ...spare]
  const mend = health?.mend === undefined ? {} : { mend: health.mend }
  return [{ level: 'problem', what: `${what} ${wrong}`, ...mend }, ...spare]
}

export async function checkProvider(
  { definition, config }: Part,
  home: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ProviderHealth | undefined> {
  // Before anything is set up the home is not there, and nothing starts in a folder that is not.
  const where = existsSync(home) ? home : homedir()
  try {
    const port = await definition.open(config, { ...offline(where, `provider/${definition.name}`), env })
    try {
      return await port.check?.(signal)
    } finally {
      await port.close?.()
    }
  } catch (error) {
    return { installed: false, mend: reason(error) }
  }
}

function told(name: string, health: ProviderHealth | undefined): { what: string; wrong: string | undefined } {
  const what = `provider ${name}${health?.version === undefined ? '' : ` ${health.version}`}`
  if (health === undefined) return { what, wrong: undefined }
  if (!health.installed) return { what, wrong: 'cannot be run' }
  return { what, wrong: health.signedIn === false ? 'is not signed in' : undefined }
}
