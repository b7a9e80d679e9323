import type { Command } from '../core/command.ts'

export const fresh: Command = {
  name: 'new',
  aliases: ['reset'],
  summary: 'begin a new conversation',
  async run({ stop, fresh: forget }) {
    const { stopped, dropped } = await stop()
    await forget()
    const waiting =
      dropped === 0 ? '' : ` ${dropped} waiting ${dropped === 1 ? 'message was' : 'messages were'} dropped.`
    return `${stopped ? 'The running turn was stopped. ' : ''}A new conversation begins with your next message.${waiting}`
  },
}
