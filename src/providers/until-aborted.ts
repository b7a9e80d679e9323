/** What comes of the promise goes on, though nobody waits for it. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | 'aborted'> {
  if (signal.aborted) return Promise.resolve('aborted')
  const { promise: aborted, resolve } = Promise.withResolvers<'aborted'>()
  const abort = () => resolve('aborted')
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort))
}
