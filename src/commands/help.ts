import type { Command, CommandGroup } from '../core/command.ts'

const headings: readonly (readonly [CommandGroup, string])[] = [
  ['conversation', 'This conversation'],
  ['agent', 'The agent'],
  ['ductor', 'ductor itself'],
]

export const help: Command = {
  name: 'help',
  summary: 'list the commands',
  group: 'ductor',
  async run({ commands, prefix }) {
    const groups = headings.map(([group, heading]) => {
      const lines = commands
        .filter((command) => command.group === group)
        .map(
          ({ name, usage, summary }) =>
            `${prefix}${name}${usage === undefined ? '' : ` ${usage}`} – ${summary}`,
        )
      return [heading, ...lines].join('\n')
    })
    return ['Write anything else, and the agent on your machine answers.', ...groups].join('\n\n')
  },
}
