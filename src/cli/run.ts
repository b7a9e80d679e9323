import { loadConfig } from '../config/load.ts'
import { UserError } from '../core/user-error.ts'
import { runInForeground } from './foreground.ts'
import { homeFolder } from './home.ts'
import { adapters, chooseProvider, good } from './load.ts'
import type { Call } from './main.ts'

export default async function run({ verbose }: Call): Promise<number> {
  const home = homeFolder(process.env)
  const loaded = await loadConfig(home, adapters)
  if (loaded.state === 'missing') {
    throw new UserError(
      `ductor is not configured: write ${loaded.path} (see docs/getting-started.md), or run “ductor try” to look at it first.`,
    )
  }
  const config = good(loaded)
  const provider = chooseProvider(config)
  if (provider === undefined) {
    throw new UserError(
      'No coding agent was found on the PATH. Install Claude Code (npm install -g @anthropic-ai/claude-code), or name its program in providers.claude.command.',
    )
  }
  return runInForeground({ home, config, provider, verbose })
}
