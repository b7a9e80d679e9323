import type { Command } from '../core/command.ts'
import { UserError } from '../core/user-error.ts'
import { gist } from '../core/gist.ts'
import { span } from '../lib/span.ts'

const shown = 10

export const resume: Command = {
  name: 'resume',
  summary: 'go on with a session that was begun earlier, here or in a terminal',
  usage: '[ID]',
  group: 'agent',
  async run({ args, control }) {
    const { provider, strand } = control.status()
    const all = await control.sessions()
    if (all === undefined) throw new UserError(`${provider} cannot tell its sessions.`)
    if (args !== '') {
      const found = all.find(({ id }) => id === args || (args.length >= 6 && id.startsWith(args)))
      if (found === undefined)
        throw new UserError(`${provider} knows no session ${args} in this workspace; /resume lists them.`)
      await control.resume(found.id)
      return `Your next message goes on with: ${gist(found.title)}`
    }
    if (all.length === 0) return `${provider} has no sessions in this workspace yet.`
    return {
      text: 'Which one shall this chat go on with?',
      offers: all.slice(0, shown).map(({ id, title, updatedAt }) => ({
        label: `${gist(title, 40)} (${span(Date.now() - updatedAt)} ago)`,
        action: { do: 'resume', strand, provider, session: id },
      })),
    }
  },
}
