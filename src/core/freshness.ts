import type { SessionExpiry } from './agent.ts'
import type { SessionRow } from './store.ts'
import { span } from '../lib/span.ts'

/** Why a session counts as over, in words for a person; undefined while it goes on. Pure. */
export function expired(session: SessionRow, expiry: SessionExpiry, now: number): string | undefined {
  const idle = now - session.usedAt
  if (idle >= expiry.idleMs) return `the last one was idle for ${span(idle)}`
  if (session.messages >= expiry.messages) return `the last one had ${session.messages} messages`
  if (expiry.dailyHour === undefined) return undefined
  const reset = lastReset(now, expiry.dailyHour, expiry.timeZone)
  return session.usedAt < reset ? 'a new one begins every day' : undefined
}

const hourMs = 3600_000

/** The last time at which it became `hour` o'clock in that time zone. */
function lastReset(now: number, hour: number, timeZone: string | undefined): number {
  const clock = new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    ...(timeZone === undefined ? {} : { timeZone }),
  })
  const at = (time: number) => Number(clock.formatToParts(time).find(({ type }) => type === 'hour')?.value)
  // Back to the full hour, then hour by hour: days of 23 and 25 hours included.
  let time = now - (now % (15 * 60_000))
  while (at(time) !== hour || at(time - 15 * 60_000) === hour) {
    time -= 15 * 60_000
    if (now - time > 50 * hourMs) return now - 24 * hourMs
  }
  return time
}
