import type { Command } from '../core/command.ts'

export const info: Command = {
  name: 'info',
  summary: 'what this is, and who can read along',
  group: 'ductor',
  async run({ control }) {
    const { provider } = control.status()
    return [
      'ductor runs the official coding-agent CLIs on your own machine and puts them into your chats.',
      `Here: ${provider}${control.providers.length > 1 ? ` (of ${control.providers.join(', ')})` : ''}, with your own log-in. Nothing is proxied.`,
      'What you write is stored on your machine, and read by the chat network, by the CLI and by its vendor.',
    ].join('\n')
  },
}
