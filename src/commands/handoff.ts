import type { Command } from '../core/command.ts'

export const handoff: Command = {
  name: 'handoff',
  summary: 'the command that goes on with this conversation in a terminal',
  group: 'agent',
  async run({ control }) {
    const command = await control.handoff()
    if (command !== undefined)
      return { text: 'In a terminal on the machine where ductor runs:', code: command }
    const { session, provider } = control.status()
    return session === undefined
      ? 'There is no session yet: it begins with your next message.'
      : `${provider} cannot go on with this session in a terminal.`
  },
}
