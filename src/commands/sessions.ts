import type { Command } from '../core/command.ts'
import { span } from '../lib/span.ts'

export const sessions: Command = {
  name: 'sessions',
  summary: 'the parallel sessions of this chat',
  group: 'conversation',
  async run({ control, prefix }) {
    const all = control.strands()
    if (all.length === 0)
      return `There are no parallel sessions here. ${prefix}session NAME PROMPT begins one.`
    const lines = all.map(({ name, gist, running, queued, usedAt }) => {
      const state = running ? 'running' : `last used ${span(Date.now() - usedAt)} ago`
      return `@${name} – ${[state, ...(queued > 0 ? [`${queued} waiting`] : []), ...(gist === undefined ? [] : [`“${gist}”`])].join(', ')}`
    })
    return {
      text: lines.join('\n'),
      offers: all.map(({ name }) => ({
        label: `End @${name}`,
        style: 'danger',
        action: { do: 'end-strand', strand: name },
      })),
    }
  },
}
