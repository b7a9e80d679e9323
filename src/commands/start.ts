import type { Command } from '../core/command.ts'

export const start: Command = {
  name: 'start',
  summary: 'say hello',
  group: 'ductor',
  async run({ prefix, control }) {
    return {
      text: [
        `Hello. I put ${control.status().provider} on your machine into this chat: write, and it works there and answers here.`,
        `${prefix}help lists what else I understand.`,
      ].join('\n'),
      offers: ['status', 'model', 'showfiles', 'help'].map((name) => ({
        label: `${prefix}${name}`,
        action: { do: 'command', name },
      })),
    }
  },
}
