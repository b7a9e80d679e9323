import type { Agent } from './agent.ts'
import type { Provider } from './provider.ts'
import type { StrandRow } from './store.ts'

/** What answers in a conversation: what a person chose for it, over what the agent's settings say. */
export interface Chosen {
  readonly providerName: string
  readonly provider: Provider
  readonly model?: string
  readonly effort?: string
}

export function chosenOf(agent: Agent, row: StrandRow | undefined): Chosen {
  const settings = agent.settings()
  const own = row?.provider === undefined ? undefined : agent.providers.get(row.provider)
  const providerName = own === undefined ? settings.provider : (row?.provider ?? settings.provider)
  const provider = agent.providers.get(providerName)
  if (provider === undefined) throw new Error(`the agent has no provider ${providerName}`)
  const usual = providerName === settings.provider
  const model = row?.model ?? (usual ? settings.model : undefined)
  const effort = row?.effort ?? (usual ? settings.effort : undefined)
  return {
    providerName,
    provider,
    ...(model === undefined ? {} : { model }),
    ...(effort === undefined ? {} : { effort }),
  }
}
