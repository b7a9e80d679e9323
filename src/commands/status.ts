import type { Command, ConversationStatus } from '../core/command.ts'
import { span } from '../lib/span.ts'

export const status: Command = {
  name: 'status',
  summary: 'what runs, what waits, which session',
  group: 'conversation',
  async run({ control }) {
    const facts = control.status()
    return [
      ...(facts.strand === '' ? [] : [`Session @${facts.strand}`]),
      whatRuns(facts),
      ...(facts.asked > 0 ? [`Waiting for your answer: ${facts.asked}`] : []),
      `Waiting: ${facts.queued}`,
      `Provider: ${[facts.provider, facts.model, facts.effort].filter((one) => one !== undefined).join(', ')}`,
      ...sessionLines(facts),
      ...(facts.granted.length > 0
        ? [`Allowed for this session (/new takes it back): ${facts.granted.join(', ')}`]
        : []),
      `ductor has been up for ${span(facts.uptimeMs)}.`,
      ...facts.warnings.map((warning) => `⚠ ${warning}`),
    ].join('\n')
  },
}

function whatRuns({ runningMs, crowdedOut }: ConversationStatus): string {
  if (runningMs !== undefined) return `A turn has been running for ${span(runningMs)}.`
  return crowdedOut
    ? 'Nothing is running here: as many turns run elsewhere as may run at once (max_running_turns).'
    : 'Nothing is running.'
}

function sessionLines({ session }: ConversationStatus): readonly string[] {
  if (session === undefined) return ['Session: begins with your next message']
  const { contextTokens: used, contextWindow: whole, costUsd, messages, beganAt, id } = session
  return [
    `Session: ${id}, ${messages} ${messages === 1 ? 'message' : 'messages'}, began ${span(Date.now() - beganAt)} ago`,
    ...(costUsd > 0 ? [`Cost of this session: $${costUsd.toFixed(2)}`] : []),
    ...(used !== undefined && whole !== undefined && whole > 0
      ? [`Context: ${Math.round((100 * used) / whole)} % of ${whole} tokens used`]
      : []),
  ]
}
