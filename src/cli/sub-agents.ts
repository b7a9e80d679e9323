import { readEntries, type AgentEntry, type Entries } from '../agents/entries.ts'
import { configPath, readConfigFile } from '../config/file.ts'
import { judge, type Adapters } from '../config/load.ts'
import { sentence } from '../config/problem.ts'
import type { Log } from '../core/define.ts'
import { UserError } from '../core/user-error.ts'
import type { AgentPlan, DuctorOptions } from '../ductor.ts'
import type { ForegroundOptions } from './foreground.ts'
import { chooseProvider, runnable } from './load.ts'
import { environmentOf, settingsOf } from './settings.ts'

/** What agents.json says, beside the config.json of this home. */
export async function entriesOf(home: string): Promise<Entries> {
  const main = await readConfigFile(configPath(home))
  return readEntries(home, main === 'missing' || 'problem' in main ? {} : main.file)
}

/** The sub-agents of agents.json, each with its own home and what it takes over from config.json. */
export function subAgents(
  { home, env }: ForegroundOptions,
  adapters: Adapters,
  log: Log,
): NonNullable<DuctorOptions['agents']> {
  return {
    read: () => entriesOf(home),
    plan: (entry, own) => plan(entry, own, env, adapters, log),
  }
}

/** Throws `UserError` with all that is wrong with the entry. */
async function plan(
  { name, file }: AgentEntry,
  home: string,
  env: Readonly<Record<string, string>>,
  adapters: Adapters,
  log: Log,
): Promise<AgentPlan> {
  const judged = await judge('agents.json', file, adapters)
  if (judged.state === 'wrong')
    throw new UserError(judged.problems.map((problem) => sentence(problem)).join('; '))
  const { core, transports } = judged.config
  const provider = chooseProvider(judged.config, env)
  if (provider === undefined) throw new UserError('No coding agent was found on the PATH.')
  const warnings = judged.config.warnings.map(({ key, message }) => `${key}: ${message}`)
  return {
    home,
    log,
    transports,
    providers: runnable(judged.config, env, provider),
    env: environmentOf(core, env),
    settings: () => settingsOf(core, provider.definition.name),
    ...(core.transcription.audio_command === undefined
      ? {}
      : { transcribe: core.transcription.audio_command }),
    warnings: () => warnings,
    onReport: (transport, report) => log.info({ agent: name, transport, ...report }, 'a transport reports'),
  }
}
