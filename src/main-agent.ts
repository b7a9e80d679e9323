import { join } from 'node:path'
import type { Agent, AgentSettings } from './core/agent.ts'
import type { Log, ProviderDefinition } from './core/define.ts'
import type { Provider } from './core/provider.ts'
import type { Memory } from './core/transport.ts'
import { instructionsOf } from './workspace/instructions.ts'
import { seedWorkspace } from './workspace/seed.ts'

export interface AgentOptions {
  readonly name: string
  /** Absolute path of its home folder. */
  readonly home: string
  readonly log: Log
  /** Each that could run here with its part of the configuration, the preferred first. There is at least one. */
  readonly providers: readonly { readonly definition: ProviderDefinition; readonly config: unknown }[]
  /** The environment of the CLIs. */
  readonly env: Readonly<Record<string, string>>
  readonly settings: () => AgentSettings
  /** The program that writes down what is said, and its first arguments; the file comes last. */
  readonly transcribe?: readonly [string, ...string[]]
  readonly memoryOf: (source: string) => Memory
  readonly toolsFor?: Agent['toolsFor']
}

/** Opens an agent: its workspace and its providers. No CLI is started yet. */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const { name, home, settings, toolsFor } = options
  const workspace = join(home, 'workspace')
  await seedWorkspace(workspace)
  return {
    name,
    home,
    workspace,
    providers: await openProviders(options),
    settings,
    instructions: () => instructionsOf(workspace),
    ...(toolsFor === undefined ? {} : { toolsFor }),
    ...(await transcription(options)),
  }
}

/** Loaded only where voice messages are written down. */
async function transcription({
  transcribe,
  env,
  log,
  memoryOf,
}: AgentOptions): Promise<Pick<Agent, 'transcribe'>> {
  if (transcribe === undefined) return {}
  const { transcriber } = await import('./transcribe.ts')
  const cwd = process.cwd()
  return { transcribe: transcriber(transcribe, { env, cwd, log, memory: memoryOf('transcribe') }) }
}

async function openProviders({
  home,
  log,
  env,
  providers,
  memoryOf,
}: AgentOptions): Promise<ReadonlyMap<string, Provider>> {
  const opened = await Promise.all(
    providers.map(async ({ definition, config }) => {
      const { name } = definition
      const deps = { home, log, env, memory: memoryOf(`provider/${name}`) }
      return [name, await definition.open(config, deps)] as const
    }),
  )
  return new Map(opened)
}
