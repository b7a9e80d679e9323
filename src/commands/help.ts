import type { Command, CommandGroup } from '../core/command.ts'

const headings: readonly (readonly [CommandGroup, string])[] = [
  ['conversation', 'This conversation'],
  ['agent', 'The agent'],
  ['ductor', 'ductor itself'],
]

type Line = Pick<Command, 'name' | 'usage' | 'summary'>

export const help: Command = {
  name: 'help',
  summary: 'list the commands',
  group: 'ductor',
  async run({ commands, ownCommands, prefix }) {
    const line = ({ name, usage, summary }: Line) =>
      `${prefix}${name}${usage === undefined ? '' : ` ${usage}`} – ${summary}`
    const groups = headings.map(([group, heading]) => {
      const own = group === 'ductor' ? ownCommands : []
      const all = [...commands.filter((command) => command.group === group), ...own]
      return [heading, ...all.map(line)].join('\n')
    })
    return ['Write anything else, and the agent on your machine answers.', ...groups].join('\n\n')
  },
}
