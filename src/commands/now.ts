import type { Command } from '../core/command.ts'
import { UserError } from '../core/user-error.ts'

export const now: Command = {
  name: 'now',
  aliases: ['steer'],
  summary: 'say something to the running turn, without waiting for its end',
  usage: 'TEXT',
  group: 'conversation',
  async run({ args, control, prefix }) {
    if (args === '') throw new UserError(`Say what: ${prefix}now TEXT.`)
    switch (await control.now(args)) {
      case 'taken':
        return 'It went into the running turn.'
      case 'unsupported':
        return `${control.status().provider} takes no message into a running turn: yours waits for its end.`
      case 'over':
      case 'run':
        // It runs as a message of its own, and its answer says so.
        return ''
    }
  },
}
