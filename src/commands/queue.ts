import type { Command } from '../core/command.ts'

const shown = 20

export const queue: Command = {
  name: 'queue',
  summary: 'what waits here',
  group: 'conversation',
  async run({ control }) {
    const waiting = control.queue()
    if (waiting.length === 0) return 'Nothing waits.'
    const lines = waiting
      .slice(0, shown)
      .map(
        ({ text, strand }, index) =>
          `${index + 1}. ${strand === '' ? '' : `@${strand}: `}${text || '(a file)'}`,
      )
    const more = waiting.length > shown ? [`… and ${waiting.length - shown} more`] : []
    return {
      text: ['Waiting, in this order:', ...lines, ...more].join('\n'),
      offers: waiting.slice(0, 8).map(({ seq }, index) => ({
        label: `Cancel ${index + 1}`,
        style: 'danger',
        action: { do: 'cancel', seq },
      })),
    }
  },
}
