import type { Command } from '../core/command.ts'

export const memory: Command = {
  name: 'memory',
  summary: 'what the agent keeps in mind between conversations',
  group: 'agent',
  async run({ control }) {
    const text = (await control.memory())?.trim()
    return text === undefined || text === '' ? 'The memory is empty.' : { text: 'MAINMEMORY.md:', code: text }
  },
}
