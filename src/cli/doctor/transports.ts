import type { LoadedConfig } from '../../config/load.ts'
import type { Policy } from '../../core/authorise.ts'
import type { Finding, TransportDefinition } from '../../core/define.ts'
import { offline, reason } from './offline.ts'

interface Part {
  readonly definition: TransportDefinition
  readonly config: unknown
}

/** What each transport finds out about its network, and who may talk to the bot there. */
export async function transports(
  home: string,
  config: LoadedConfig,
  signal: AbortSignal,
): Promise<Finding[]> {
  const all = await Promise.all(
    config.transports.map(async (part) => [
      ...(await audience(part, home)),
      ...(await diagnosis(part, home, signal)),
    ]),
  )
  return all.flat()
}

async function diagnosis({ definition, config }: Part, home: string, signal: AbortSignal) {
  try {
    return (await definition.diagnose?.(config, offline(home, definition.name), signal)) ?? []
  } catch (error) {
    return [{ level: 'problem', what: `${definition.name}: ${reason(error)}` } as const]
  }
}

async function audience({ definition, config }: Part, home: string): Promise<Finding[]> {
  const { name } = definition
  try {
    const deps = { ...offline(home, name), report() {}, heard() {} }
    const { policy } = await definition.open(config, deps)
    // Lists that are empty are warned of by the transport itself, in its own words.
    if (policy.users === 'everyone' || policy.users.size === 0) return []
    return [{ level: 'ok', what: `${name}: ${inWords(policy, policy.users)}` }]
  } catch (error) {
    return [{ level: 'problem', what: `${name} cannot be opened: ${reason(error)}` }]
  }
}

function inWords({ rooms, privateChats, mentionOnly }: Policy, users: ReadonlySet<string>): string {
  const who = users.size === 1 ? `only ${[...users].join('')} may` : `${users.size} people may`
  const chats = privateChats === 'open' ? ['in private chats'] : []
  if (rooms === 'everywhere') chats.push('in every room that the bot is in')
  else if (rooms.size > 0) chats.push(`in ${rooms.size} listed ${rooms.size === 1 ? 'room' : 'rooms'}`)
  const how = mentionOnly ? '; in groups only what is addressed to the bot counts' : ''
  return `${who} talk to the bot, ${chats.join(' and ')}${how}`
}
