import type { Command } from '../core/command.ts'
import { span } from '../lib/span.ts'

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
