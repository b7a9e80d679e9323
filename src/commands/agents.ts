import type { Command } from '../core/command.ts'
import { UserError } from '../core/user-error.ts'

const notHere = 'Only the main agent looks after the others.'

export const agents: Command = {
  name: 'agents',
  summary: 'the agents of this ductor',
  group: 'ductor',
  needs: 'owner',
  async run({ control }) {
    const { agents: all } = control
    if (all === undefined) throw new UserError(notHere)
    const lines = all.list().map(({ name, provider, state, detail, transports }) => {
      const where = [provider, ...transports].filter((one) => one !== null).join(', ')
      return `${name}: ${state}${where === '' ? '' : ` (${where})`}${detail === null ? '' : ` – ${detail}`}`
    })
    const wrong = all.problems.map((problem) => `⚠ ${problem}`)
    if (lines.length + wrong.length === 0)
      return 'There are no sub-agents. “ductor agents add NAME”, on the machine, adds one.'
    return [...lines, ...wrong].join('\n')
  },
}

function act(
  name: string,
  summary: string,
  done: string,
  how: 'startAgent' | 'stopAgent' | 'restartAgent',
): Command {
  return {
    name,
    summary,
    usage: 'NAME',
    group: 'ductor',
    needs: 'owner',
    async run({ args, control, prefix }) {
      const { agents: all } = control
      if (all === undefined) throw new UserError(notHere)
      if (args === '') throw new UserError(`Which one? ${prefix}${name} NAME; ${prefix}agents lists them.`)
      await all[how](args)
      return `${args} ${done}`
    },
  }
}

export const agentStart = act('agent_start', 'start a sub-agent', 'was started.', 'startAgent')
export const agentStop = act('agent_stop', 'stop a sub-agent', 'was stopped.', 'stopAgent')
export const agentRestart = act('agent_restart', 'begin a sub-agent anew', 'was restarted.', 'restartAgent')
