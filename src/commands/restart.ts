import type { Command } from '../core/command.ts'

const words = {
  begins: 'Restarting; I say so here when I am back.',
  done: 'I have begun anew since then.',
  impossible: 'I cannot restart myself here.',
} as const

export const restart: Command = {
  name: 'restart',
  summary: 'end ductor in good order and start it again',
  group: 'ductor',
  needs: 'owner',
  async run({ control }) {
    return words[await control.restart()]
  },
}
