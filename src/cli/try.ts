import { emptyConfig } from '../config/load.ts'
import { UserError } from '../core/user-error.ts'
import { runInForeground } from './foreground.ts'
import { homeFolder } from './home.ts'
import { adapters, chooseProvider, good } from './load.ts'
import type { Call } from './main.ts'

export default async function tryOut({ verbose, port, provider: wanted }: Call): Promise<number> {
  const web = port === undefined ? {} : { port: Number(port) }
  const loaded = await emptyConfig(adapters, ['web'], { web })
  if (loaded.state === 'missing') throw new Error('nothing was to be read')
  const config = good(loaded)
  const provider = chooseProvider(config, wanted) ?? config.providers.get('demo')
  if (provider === undefined)
    throw new UserError('Not even the demo agent is there: this installation is broken.')
  return runInForeground({ home: homeFolder(process.env), config, provider, verbose })
}
