import type { Command } from '../core/command.ts'

export const help: Command = {
  name: 'help',
  summary: 'list the commands',
  async run({ commands, prefix }) {
    const lines = commands.map(({ name, summary }) => `${prefix}${name} – ${summary}`)
    return ['Write anything else, and the agent on your machine answers.', '', ...lines].join('\n')
  },
}
