import type { Command } from '../core/command.ts'
import { UserError } from '../core/user-error.ts'

export const session: Command = {
  name: 'session',
  summary: 'run a prompt in a parallel session of this chat; go on with @NAME TEXT',
  usage: 'NAME PROMPT',
  group: 'conversation',
  async run({ args, control, prefix }) {
    const [, name = '', prompt = ''] = /^@?(\S+)\s*([\s\S]*)$/.exec(args) ?? []
    if (name === '' || prompt === '')
      throw new UserError(`Give it a name and a prompt: ${prefix}session docs Write the README.`)
    await control.run(name, prompt)
    return `@${name.toLowerCase()} has it. Write “@${name.toLowerCase()} …”, or reply to its answers, to go on with it.`
  },
}
