import type { Command } from '../core/command.ts'

export const where: Command = {
  name: 'where',
  summary: 'the ids of this chat, and the folder that the agent works in',
  group: 'ductor',
  async run({ message, control }) {
    const { place, sender } = message
    return [
      `Conversation: ${place.key}${control.strand === '' ? '' : ` @${control.strand}`}`,
      `Chat: ${place.chat}${place.thread === undefined ? '' : `, topic ${place.thread}`}`,
      `You: ${sender.id}`,
      `Folder: ${control.status().workspace}`,
    ].join('\n')
  },
}
