import type { Command } from '../core/command.ts'
import { messages } from './words.ts'

export const fresh: Command = {
  name: 'new',
  aliases: ['reset'],
  summary: 'begin a new conversation',
  group: 'conversation',
  async run({ control }) {
    const { stopped, dropped } = await control.stop(control.strand)
    await control.fresh()
    return [
      ...(stopped > 0 ? ['The running turn was stopped.'] : []),
      'A new conversation begins with your next message.',
      ...(dropped > 0 ? [`${messages(dropped)} dropped.`] : []),
    ].join(' ')
  },
}
