import type { Place } from './message.ts'
import type { Mark, Transport } from './transport.ts'

const typingEveryMs = 4000

/** Shows on the person's message how it stands. Nobody waits for it, and a failure is of no interest. */
export function mark(transport: Transport | undefined, place: Place, messageId: string, how: Mark): void {
  void transport?.mark?.(place, messageId, how).catch(() => {
    // A courtesy.
  })
}

/** Shows that the bot is at work until `ended` resolves. */
export async function showTyping(
  transport: Transport | undefined,
  place: Place,
  ended: Promise<void>,
): Promise<void> {
  const show = (on: boolean) =>
    void transport?.typing?.(place, on).catch(() => {
      // A courtesy: the next one comes in a few seconds, and the last one goes by itself after some.
    })
  show(true)
  const timer = setInterval(() => show(true), typingEveryMs).unref()
  await ended
  clearInterval(timer)
  show(false)
}
