import type { Command } from '../core/command.ts'

export const interrupt: Command = {
  name: 'interrupt',
  summary: 'end the running turn softly; what waits goes on',
  group: 'conversation',
  async run({ control }) {
    switch (await control.interrupt()) {
      case 'interrupted':
        return 'Interrupted.'
      case 'stopped':
        return 'This agent cannot be interrupted softly: the turn was stopped, with all that its tools had started.'
      case 'idle':
        return 'Nothing is running.'
    }
  },
}
