import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits until `look` gives something true, and gives it. `look` may throw meanwhile: the last error is the failure's cause.
 * The limit is a safety net for a machine under load, not an expectation.
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  what: string | (() => string) = 'the condition',
  limitMs = 30_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = Date.now() + limitMs
  for (;;) {
    let cause: unknown
    try {
      const seen = await look()
      if (seen !== undefined && seen !== null && seen !== false) return seen as NonNullable<Exclude<T, false>>
    } catch (error) {
      cause = error
    }
    if (Date.now() > end)
      throw new Error(`${typeof what === 'string' ? what : what()} did not come about within ${limitMs} ms`, {
        cause,
      })
    await sleep(10)
  }
}
