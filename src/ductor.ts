import type { Answer, Origin } from './agents/agent-transport.ts'
import type { AgentEntry, Entries } from './agents/entries.ts'
import { Supervisor } from './agents/supervisor.ts'
import { startApp, type App, type AppOptions } from './app.ts'
import { UserError } from './core/user-error.ts'
import { agentTransportName } from './agents/agent-transport.ts'
import { ToolChannel, type Caller } from './tools/channel.ts'
import type { ToolCall } from './tools/definitions.ts'

/** What an agent is opened with, without what binds it to the others. */
export type AgentPlan = Omit<AppOptions, 'toolsFor' | 'agents' | 'bring' | 'name'>

export interface DuctorOptions {
  readonly main: AgentPlan
  /** Where given, the sub-agents that this names run beside the main one. */
  readonly agents?: {
    readonly read: () => Promise<Entries>
    /** Throws `UserError` for an entry that cannot run. */
    readonly plan: (entry: AgentEntry, home: string) => Promise<AgentPlan>
  }
  readonly graceMs: () => number
}

const mainName = 'main'

/** The main agent, its sub-agents, and the channel on which their tools report. */
export async function openDuctor({ main, agents, graceMs }: DuctorOptions): Promise<App> {
  const apps = new Map<string, App>()
  const appOf = (name: string) => (name === mainName ? apps.get(mainName) : supervisor?.app(name))
  const channel = await ToolChannel.open({
    log: main.log,
    answer: (caller, call, signal) => answer(caller, call, signal, appOf, supervisor),
  })
  const bring = async ({ agent, place, strand }: Origin, said: Answer) => {
    const app = appOf(agent)
    await app?.hearAnswer({ agent, place, strand }, said)
    return app !== undefined
  }
  const bound = (name: string): Pick<AppOptions, 'name' | 'bring' | 'toolsFor'> => ({
    name,
    bring,
    toolsFor: (place, strand) => channel.serverFor({ agent: name, place, strand }),
  })
  const supervisor =
    agents === undefined
      ? undefined
      : new Supervisor({
          home: main.home,
          log: main.log,
          read: agents.read,
          open: async (entry, home) =>
            startApp({ ...(await agents.plan(entry, home)), ...bound(entry.name) }),
          graceMs,
        })
  const app = await startApp({
    ...main,
    ...bound(mainName),
    ...(supervisor === undefined ? {} : { agents: supervisor }),
  })
  apps.set(mainName, app)
  // The main agent does not wait for the others: they come when they come.
  const starting = supervisor?.start()
  return {
    ...app,
    async stop(ms) {
      await starting
      await Promise.all([supervisor?.close(), app.stop(ms)])
      await channel.close()
    },
  }
}

/** Does what a tool was called for. */
async function answer(
  caller: Caller,
  call: ToolCall,
  signal: AbortSignal,
  appOf: (name: string) => App | undefined,
  supervisor: Supervisor | undefined,
): Promise<string> {
  const names = [mainName, ...(supervisor?.list() ?? []).map(({ name }) => name)]
  switch (call.tool) {
    case 'send_file': {
      const app = appOf(caller.agent)
      if (app === undefined) throw new UserError('ductor is stopping.')
      return app.sendFile(caller.place, caller.strand, call.input.path)
    }
    case 'list_agents':
      return names.filter((name) => name !== caller.agent).join('\n') || 'There are no other agents.'
    case 'ask_agent': {
      const { agent, message, wait } = call.input
      if (caller.place.transport === agentTransportName)
        throw new UserError(
          'An agent that was asked by another one asks no further. Answer with what you know.',
        )
      const asked = agent === caller.agent ? undefined : appOf(agent)
      if (asked === undefined)
        throw new UserError(
          `There is no other agent “${agent}” that runs; list_agents names those there are.`,
        )
      const atMost = appOf(caller.agent)?.allowQuestion(caller.place, caller.strand)
      if (atMost === undefined) throw new UserError('ductor is stopping.')
      const said = await asked.ask({ ...caller, atMost }, message, wait, signal)
      return said ?? `${agent} works on it; its answer comes into this chat later.`
    }
  }
}
