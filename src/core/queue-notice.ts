import type { Notice, Offer } from './notices.ts'
import type { Message } from './message.ts'

export const queueKey = (seq: number) => `queue/${seq}`

/** Tells the sender of a message that it waits, with nothing before it in its own conversation. */
export function crowdNotice(seq: number, { place, messageId }: Message): Notice {
  return {
    key: queueKey(seq),
    place,
    replyTo: messageId,
    text: 'Waiting: as many turns run elsewhere as may run at once (max_running_turns).',
    offers: [{ label: 'Cancel', style: 'danger', action: { do: 'cancel', seq } }],
  }
}

/**
 * Tells the sender of a message that it waits. `ahead`: turns before it, beside the one that runs; `asking`: that one
 * waits for a person itself.
 */
export function queueNotice(
  seq: number,
  { place, messageId }: Message,
  {
    ahead,
    steerable,
    asking,
  }: { readonly ahead: number; readonly steerable: boolean; readonly asking: boolean },
): Notice {
  const cancel: Offer = { label: 'Cancel', style: 'danger', action: { do: 'cancel', seq } }
  const steer: Offer = { label: 'Say it now', action: { do: 'steer', seq } }
  const asks = 'waits for an answer to its question above'
  const text =
    ahead === 0
      ? `Waiting for the running turn${asking ? `, which ${asks}` : ''}.`
      : `Waiting: ${ahead + 1} turns are before this one${asking ? `, and the running one ${asks}` : ''}.`
  return {
    key: queueKey(seq),
    place,
    replyTo: messageId,
    text,
    offers: steerable ? [cancel, steer] : [cancel],
  }
}
