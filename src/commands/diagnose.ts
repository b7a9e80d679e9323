import type { Command } from '../core/command.ts'

export const diagnose: Command = {
  name: 'diagnose',
  summary: 'how ductor fares, and the last lines of its log',
  group: 'ductor',
  needs: 'owner',
  async run({ control }) {
    const { facts, log } = await control.diagnose()
    return {
      text: facts.join('\n') || 'Nothing is known.',
      ...(log.length === 0 ? {} : { code: log.join('\n') }),
    }
  },
}
