import { environment } from '../config/environment.ts'
import { loadForTrial } from '../config/load.ts'
import { UserError } from '../core/user-error.ts'
import { runInForeground } from './foreground.ts'
import { homeFolder } from './home.ts'
import { adapters, chooseProvider, good } from './load.ts'
import type { Call } from './main.ts'
import { MisuseError } from './misuse.ts'

export default async function tryOut({ verbose, text }: Call): Promise<number> {
  const port = text('port')
  const wanted = text('provider')
  const home = homeFolder(process.env)
  const config = good(await loadForTrial(home, adapters, port === undefined ? {} : { port: portOf(port) }))
  if (wanted !== undefined && !config.providers.has(wanted)) {
    const names = [...config.providers.keys()].join(', ')
    throw new MisuseError(`there is no provider “${wanted}”; there are ${names}`)
  }
  const env = environment(home, process.env)
  const found = chooseProvider(config, env, wanted)
  const provider = found ?? config.providers.get('demo')
  if (provider === undefined)
    throw new UserError('Not even the demo agent is there: this installation is broken.')
  if (found === undefined) {
    process.stdout.write(
      'No coding agent was found on the PATH, so the built-in demo agent answers. It is a small program, no AI: it shows what ductor does around an agent.\n',
    )
  }
  return runInForeground({ home, config, provider, env, verbose })
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535))
    throw new MisuseError(`“${text}” is no port: 0 to 65535 are; 0 takes any that is free`)
  return port
}
