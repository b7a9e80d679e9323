import type { Command } from '../core/command.ts'

export const restart: Command = {
  name: 'restart',
  summary: 'end ductor in good order and start it again',
  group: 'ductor',
  needs: 'owner',
  async run({ control }) {
    return (await control.restart())
      ? 'Restarting; I say so here when I am back.'
      : 'I cannot restart myself here.'
  },
}
