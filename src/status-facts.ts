import type { Agent } from './core/agent.ts'
import type { AgentState } from './core/command.ts'
import type { Gateway } from './core/gateway.ts'
import type { TransportState } from './core/transport.ts'
import { redactor } from './lib/redact.ts'
import type { SqliteStore } from './store/sqlite-store.ts'
import type { TransportLine } from './transport-line.ts'

/** As `ductor status --json` shows it. */
export interface StatusFacts {
  readonly transports: readonly {
    readonly name: string
    readonly account: string | null
    readonly state: TransportState
    /** ISO 8601. */
    readonly last_event_at: string | null
    readonly detail: string | null
  }[]
  /** The main one first; only of the others a state is told. */
  readonly agents: readonly {
    readonly name: string
    readonly provider: string | null
    readonly state?: string
    readonly detail?: string | null
    readonly transports?: readonly string[]
  }[]
  readonly turns: { readonly running: number; readonly queued: number }
  readonly outbox: { readonly pending: number; readonly failed: number }
  readonly store: { readonly trouble: string | null }
  readonly warnings: readonly string[]
}

export interface StatusSources {
  readonly agent: Agent
  readonly store: SqliteStore
  readonly gateway: Gateway
  readonly lines: Iterable<TransportLine>
  readonly warnings: readonly string[]
  readonly others: readonly AgentState[]
}

export function statusOf({ agent, store, gateway, lines, warnings, others }: StatusSources): StatusFacts {
  return {
    transports: Array.from(lines, ({ name, report, heardAt }) => ({
      name,
      account: report.account ?? null,
      state: report.state,
      last_event_at: heardAt === undefined ? null : new Date(heardAt).toISOString(),
      detail: report.detail ?? null,
    })),
    agents: [{ name: agent.name, provider: agent.settings().provider }, ...others],
    turns: gateway.counts(),
    outbox: { pending: store.countPublications('final'), failed: store.countPublications('dead') },
    store: { trouble: gateway.trouble ?? null },
    warnings,
  }
}

/** The same for a chat, a line a fact, and none of the secrets that an address or an error can have. */
export function factsOf({ transports, turns, outbox, store }: StatusFacts): readonly string[] {
  const clean = redactor()
  return [
    ...transports.map(({ name, account, state, detail }) =>
      clean(
        `${name}${account === null ? '' : ` ${account}`}: ${state}${detail === null ? '' : ` – ${detail}`}`,
      ),
    ),
    `turns: ${turns.running} running, ${turns.queued} waiting`,
    `outbox: ${outbox.pending} pending, ${outbox.failed} failed`,
    ...(store.trouble === null ? [] : [store.trouble]),
  ]
}
