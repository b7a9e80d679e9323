import type { InboxRow } from './store.ts'

/** How long a part waits for the next one. */
const restMs = 700
/** A picture without a word: the words often come a moment later. */
const captionMs = 2000
/** By the network's clock, which may count whole seconds. */
const apartMs = 3000
export const mostOfBurst = 30

/**
 * The messages at the head of a queue that were sent together (an album, forwarded messages, a text that the app has
 * split), and how long to wait for more of them. Pure.
 */
export function burst(
  queue: readonly InboxRow[],
  now: number,
): { readonly rows: readonly InboxRow[]; readonly waitMs: number } {
  const rows: InboxRow[] = []
  for (const row of queue.slice(0, mostOfBurst)) {
    const before = rows.at(-1)
    if (before !== undefined && !belongsTogether(before, row)) return { rows, waitMs: 0 }
    rows.push(row)
  }
  const last = rows.at(-1)
  if (last?.inbound.kind !== 'message' || rows.length === mostOfBurst) return { rows, waitMs: 0 }
  const silent = last.inbound.text.trim() === ''
  const patience = silent && rows.length === 1 ? captionMs : last.inbound.partial === true ? restMs : 0
  return { rows, waitMs: Math.max(0, last.receivedAt + patience - now) }
}

/** Were these two, next to each other in a queue, sent together? */
export function belongsTogether({ inbound: before }: InboxRow, { inbound: next }: InboxRow): boolean {
  if (before.kind !== 'message' || next.kind !== 'message' || before.sender.id !== next.sender.id)
    return false
  if (Math.abs(next.sentAt - before.sentAt) > apartMs) return false
  const caption = before.text.trim() === '' || next.text.trim() === ''
  const begun = before.partial === true || before.text.trim() === ''
  return begun && (next.partial === true || caption || splitText(before.text))
}

/** So long is a text only where the app has cut it. */
function splitText(text: string): boolean {
  return text.length > 3000
}
