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

/** Tells the sender of a message that it waits. `ahead`: turns before it, beside the one that runs. */
export function queueNotice(
  seq: number,
  { place, messageId }: Message,
  { ahead, steerable }: { readonly ahead: number; readonly steerable: boolean },
): Notice {
  const cancel: Offer = { label: 'Cancel', style: 'danger', action: { do: 'cancel', seq } }
  const steer: Offer = { label: 'Say it now', action: { do: 'steer', seq } }
  return {
    key: queueKey(seq),
    place,
    replyTo: messageId,
    text: ahead === 0 ? 'Waiting for the running turn.' : `Waiting: ${ahead + 1} turns are before this one.`,
    offers: steerable ? [cancel, steer] : [cancel],
  }
}
