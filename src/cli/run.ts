import { environment } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { UserError } from '../core/user-error.ts'
import { runInForeground } from './foreground.ts'
import { homeFolder } from './home.ts'
import { adapters, chooseProvider, good, howToBegin } from './load.ts'
import type { Call } from './main.ts'

export default async function run({ verbose }: Call): Promise<number> {
  const home = homeFolder(process.env)
  const loaded = await loadConfig(home, adapters)
  if (loaded.state === 'missing') throw new UserError(howToBegin(loaded.path))
  const config = good(loaded)
  const env = environment(home, process.env)
  const provider = chooseProvider(config, env)
  if (provider === undefined) {
    throw new UserError(
      'No coding agent was found on the PATH. Install Claude Code (npm install -g @anthropic-ai/claude-code), or name its program in providers.claude.command.',
    )
  }
  return runInForeground({ home, config, provider, env, verbose })
}
