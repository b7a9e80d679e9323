import type { Command } from '../core/command.ts'
import { UserError } from '../core/user-error.ts'

export const trace: Command = {
  name: 'trace',
  summary: 'the life of the message that you reply to',
  usage: '[ID]',
  group: 'ductor',
  async run({ message, args, control, prefix }) {
    const id = args === '' ? message.replyTo?.messageId : args
    if (id === undefined)
      throw new UserError(`Reply to a message with ${prefix}trace, or give its id: ${prefix}trace ID.`)
    const lines = control.trace(id)
    if (lines.length === 0) return `Nothing is known of a message ${id} in this chat.`
    return {
      text: `The life of ${id}:`,
      code: lines
        .map(({ at, event, detail }) => {
          const time = new Date(at).toISOString().slice(11, 23)
          return `${time} ${event}${detail === undefined ? '' : `: ${detail}`}`
        })
        .join('\n'),
    }
  },
}
