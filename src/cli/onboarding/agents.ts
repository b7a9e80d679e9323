import type { LoadedConfig } from '../../config/load.ts'
import type { ProviderDefinition } from '../../core/define.ts'
import type { ProviderHealth } from '../../core/provider.ts'
import type { Interview } from '../../core/set-up.ts'
import { UserError } from '../../core/user-error.ts'
import { checkProvider } from '../doctor/providers.ts'
import { available, order } from '../load.ts'

const limitMs = 20_000

interface Found {
  readonly definition: ProviderDefinition
  readonly health: ProviderHealth | undefined
}

/**
 * Looks which agents are there and signed in, and asks which one shall answer where there is a choice. Resolves with
 * its name, or undefined where the best one found will do.
 */
export async function chooseAgent(
  interview: Interview,
  { providers }: Pick<LoadedConfig, 'providers'>,
  home: string,
  env: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const wanted = interview.given('answering-agent')
  if (wanted !== undefined && !providers.has(wanted)) {
    throw new UserError(`There is no agent “${wanted}”; there are ${[...providers.keys()].join(', ')}.`)
  }
  const parts = [...providers.values()]
    .filter(({ definition }) => definition.programs.length > 0)
    .toSorted((a, b) => rank(a.definition.name) - rank(b.definition.name))
  for (let round = 1; ; round++) {
    const found = await Promise.all(
      parts
        .filter((part) => available(part, env))
        .map(async (part): Promise<Found> => ({
          definition: part.definition,
          health: await checkProvider(part, home, env, AbortSignal.timeout(limitMs)),
        })),
    )
    interview.tell(
      told(
        found,
        parts.map(({ definition }) => definition),
      ),
    )
    const ready = found.filter(({ health }) => health?.installed !== false && health?.signedIn !== false)
    if (ready.length > 0) return pick(interview, ready)
    if (wanted !== undefined) return wanted
    const what = await interview.choose({
      option: round === 1 ? 'without-agent' : `without-agent-${round}`,
      ask: 'No agent is ready to answer. What now?',
      choices: [
        { value: 'on', label: 'Go on', hint: 'and get an agent ready later: “ductor doctor” then says more' },
        { value: 'again', label: 'Look again', hint: 'after installing or signing in, in another terminal' },
      ],
    })
    if (what === 'on') return undefined
  }
}

async function pick(interview: Interview, ready: readonly Found[]): Promise<string | undefined> {
  const [best] = ready
  if (ready.length === 1 && interview.given('answering-agent') === undefined) return undefined
  const name = await interview.choose({
    option: 'answering-agent',
    ask: 'Which agent shall answer?',
    choices: ready.map(({ definition, health }) => ({
      value: definition.name,
      label: definition.name,
      ...(health?.version === undefined ? {} : { hint: health.version }),
    })),
  })
  return name === best?.definition.name ? undefined : name
}

function told(found: readonly Found[], all: readonly ProviderDefinition[]): string {
  if (found.length === 0) {
    const names = all.map(({ name }) => name).join(', ')
    return `No agent was found on the PATH (${names}).\nClaude Code, for one, comes with: npm install -g @anthropic-ai/claude-code`
  }
  const lines = found.map(({ definition: { name }, health }) => {
    const what = health?.version === undefined ? name : `${name} ${health.version}`
    const mend = health?.mend === undefined ? '' : `\n  ${health.mend}`
    if (health?.installed === false) return `✗ ${what} cannot be run${mend}`
    if (health?.signedIn === false) return `✗ ${what} is not signed in${mend}`
    return `✓ ${what}${health?.signedIn === true ? ', signed in' : ''}`
  })
  return ['Agents on this machine:', ...lines].join('\n')
}

function rank(name: string): number {
  const at = order.indexOf(name)
  return at === -1 ? order.length : at
}
