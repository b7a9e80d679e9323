import type { PlanEntry } from '../core/provider.ts'

const signs: Readonly<Record<PlanEntry['status'], string>> = {
  pending: '☐',
  in_progress: '▸',
  completed: '☑',
}

/** The agent's plan in plain text, a line a step. */
export function planLines(entries: readonly PlanEntry[]): string {
  return entries
    .map(({ text, status }) => `${signs[status]} ${text.replaceAll(/\s+/g, ' ').trim()}`)
    .join('\n')
}
