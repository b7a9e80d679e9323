import type { Command } from '../core/command.ts'

export const status: Command = {
  name: 'status',
  summary: 'what runs, what waits, which session',
  async run(call) {
    const { provider, session, runningMs, queued, uptimeMs, warnings } = call.status()
    return [
      runningMs === undefined ? 'Nothing is running.' : `A turn has been running for ${span(runningMs)}.`,
      `Waiting: ${queued}`,
      `Provider: ${provider}`,
      `Session: ${session ?? 'begins with your next message'}`,
      `ductor has been up for ${span(uptimeMs)}.`,
      ...warnings.map((warning) => `⚠ ${warning}`),
    ].join('\n')
  },
}

/** A length of time as people say it, in its two largest units. */
function span(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const units = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const
  const first = units.findIndex(([count]) => count > 0)
  if (first === -1) return '0 s'
  return units
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}
