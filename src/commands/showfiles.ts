import type { Command } from '../core/command.ts'

export const showFiles: Command = {
  name: 'showfiles',
  aliases: ['files'],
  summary: 'look through the files of the workspace, and have them sent',
  usage: '[FOLDER]',
  group: 'agent',
  run: ({ args, control }) => control.browse(args === '' ? '.' : args),
}
