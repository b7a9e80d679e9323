import { join } from 'node:path'
import { environment } from '../config/environment.ts'
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { UserError } from '../core/user-error.ts'
import { openLog } from '../lib/log.ts'
import { isSupervised } from '../service/restart-self.ts'
import { howToInstall, librariesOf, missing } from './extras.ts'
import { runInForeground } from './foreground.ts'
import { homeFolder } from './home.ts'
import { adapters, chooseProvider, configured } from './load.ts'
import type { Call } from './main.ts'

export default async function run(call: Call): Promise<number> {
  const loaded = await loadConfig(homeFolder(process.env), adapters)
  const begun = loaded.state === 'good' || (loaded.state === 'wrong' && loaded.begun)
  if (!begun && process.stdin.isTTY && process.stdout.isTTY) {
    const { default: onboarding } = await import('./onboarding.ts')
    return onboarding(call)
  }
  return runConfigured(call.verbose)
}

/** Runs in the foreground as config.json says. */
export async function runConfigured(verbose: boolean): Promise<number> {
  const home = homeFolder(process.env)
  return runInForeground({ ...(await readyToRun(home)), verbose, adapters })
}

/** All that is needed to run. What is wrong is also logged where nobody looks on. */
async function readyToRun(home: string) {
  try {
    const config = await equipped(home, await configured(home))
    const env = environment(home, process.env)
    const provider = chooseProvider(config, env)
    if (provider === undefined) throw new UserError(withoutAgent)
    return { home, config, provider, env }
  } catch (error) {
    if (error instanceof UserError && isSupervised(process.env)) await leaveWord(home, error.message)
    throw error
  }
}

const withoutAgent =
  'No coding agent was found on the PATH. Install Claude Code (npm install -g @anthropic-ai/claude-code), or name its program in providers.claude.command.'

/** For `ductor logs`: what a service says to its terminal may be nowhere to be read. */
async function leaveWord(home: string, why: string): Promise<void> {
  const log = await openLog({ path: join(home, 'logs', 'ductor.log'), level: 'info', stderr: 'nothing' })
  log.error({ why }, 'could not start')
}

/**
 * A transport whose libraries are not installed fails with the command that installs them, and the others run.
 * Throws that where there are no others.
 */
async function equipped(home: string, config: LoadedConfig): Promise<LoadedConfig> {
  const faults = await Promise.all(
    config.transports.map(async ({ definition }) => {
      const lacking = missing(await librariesOf(home, definition))
      return lacking.length === 0 ? undefined : howToInstall(definition.name, lacking)
    }),
  )
  if (faults.every((fault) => fault !== undefined)) throw new UserError(faults.join('\n'))
  const transports = config.transports.map(({ definition, config: part }, index) => {
    const fault = faults[index]
    if (fault === undefined) return { definition, config: part }
    const open = () => {
      throw new UserError(fault)
    }
    return { definition: { ...definition, open }, config: part }
  })
  return { ...config, transports }
}
