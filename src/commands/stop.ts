import type { Command } from '../core/command.ts'
import { UserError } from '../core/user-error.ts'

export const stop: Command = {
  name: 'stop',
  aliases: ['cancel', 'abort'],
  summary: 'end what runs in this chat, and drop what waits',
  usage: '[NAME]',
  group: 'conversation',
  async run({ args, control }) {
    const name = args.replace(/^@/, '').toLowerCase()
    if (name !== '' && !control.strands().some((strand) => strand.name === name))
      throw new UserError(`There is no session @${name} here; /stop alone ends all that runs in this chat.`)
    const { stopped, dropped } = await control.stop(name === '' ? undefined : name)
    const waiting =
      dropped === 0 ? '' : ` ${dropped} waiting ${dropped === 1 ? 'message' : 'messages'} dropped.`
    if (stopped > 1) return `Stopped ${stopped} turns.${waiting}`
    if (stopped === 1) return `Stopped.${waiting}`
    return dropped === 0 ? 'Nothing is running.' : `Nothing was running.${waiting}`
  },
}
