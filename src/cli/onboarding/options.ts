import type { TransportDefinition } from '../../core/define.ts'
import type { SetUp } from '../../core/set-up.ts'
import { adapters } from '../load.ts'
import type { Option } from '../options.ts'

export interface Settable {
  readonly definition: TransportDefinition
  readonly setUp: SetUp
}

/** The transports that can be set up by asking, in the order of their folders. */
export async function settable(): Promise<readonly Settable[]> {
  const definitions = await Promise.all(adapters.transports.map((name) => adapters.transport(name)))
  return definitions.flatMap((definition) => {
    const { setUp } = definition
    return setUp === undefined ? [] : [{ definition, setUp }]
  })
}

const answering: Readonly<Record<string, Option>> = {
  'answering-agent': { type: 'string', says: 'which agent answers, where several are there' },
}

const own: Readonly<Record<string, Option>> = {
  'accept-risk': { type: 'boolean', says: 'yes, an agent may act on this machine' },
  ...answering,
  transports: { type: 'string', says: 'one name, or several with commas: telegram,matrix' },
  keep: { type: 'boolean', says: 'keep the other settings of a config.json that is there' },
  timezone: { type: 'string', says: 'such as Europe/Berlin; this machine’s unless told' },
  'install-service': { type: 'boolean', says: 'run whenever this machine does' },
  start: { type: 'boolean', says: 'run in the foreground afterwards' },
}

/** Every option that answers a question of the wizard. */
export async function onboardingOptions(): Promise<Readonly<Record<string, Option>>> {
  return { ...own, ...theirOptions(await settable()) }
}

/** Every option that answers a question about a sub-agent. */
export async function agentOptions(): Promise<Readonly<Record<string, Option>>> {
  return { ...answering, ...theirOptions(await settableForAgents()) }
}

/** A sub-agent has a chat of its own to talk in. */
export async function settableForAgents(): Promise<readonly Settable[]> {
  return (await settable()).filter(({ setUp: { exclusive } }) => exclusive !== true)
}

function theirOptions(all: readonly Settable[]): Readonly<Record<string, Option>> {
  const theirs = all.flatMap(({ setUp }) => Object.entries(setUp.options))
  return Object.fromEntries(
    theirs.map(([name, { says, switch: yesNo }]): [string, Option] => [
      name,
      { type: yesNo === true ? 'boolean' : 'string', says },
    ]),
  )
}
