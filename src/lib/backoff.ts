export interface BackoffOptions {
  /** Milliseconds before the second attempt. */
  readonly firstMs: number
  readonly longestMs: number
  /** From 0 up to 1; `Math.random` unless a test says otherwise. */
  readonly random?: () => number
}

/**
 * Milliseconds to wait after `failures` failures in a row (from 1): twice as long each time, up to the longest, minus
 * up to a third by chance, so that many who failed together do not come back together.
 */
export function backoffMs(
  failures: number,
  { firstMs, longestMs, random = Math.random }: BackoffOptions,
): number {
  // Beyond this the power would outgrow every limit anyway, and at last the numbers themselves.
  const doublings = Math.min(Math.max(failures, 1) - 1, 30)
  const wait = Math.min(firstMs * 2 ** doublings, longestMs)
  return Math.round(wait * (1 - random() / 3))
}
