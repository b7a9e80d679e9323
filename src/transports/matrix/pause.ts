import { backoffMs } from '../../lib/backoff.ts'
import { MatrixError } from './client.ts'

/** However little a homeserver asks for. */
const shortestMs = 100

/** Milliseconds to wait before a call that failed is made again, after so many failures in a row. */
export function pauseAfter(error: unknown, failures: number): number {
  const asked = error instanceof MatrixError ? error.retryAfterMs : undefined
  return Math.max(shortestMs, asked ?? backoffMs(failures, { firstMs: 500, longestMs: 60_000 }))
}
