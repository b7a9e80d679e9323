import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from './define.ts'

/** SQLite's own codes for "not now": busy, locked, input/output error, full, cannot open. */
const passing = new Set([5, 6, 10, 13, 14])

/**
 * Does `write` again and again until the disk takes it. Nothing that a person wrote or an agent said is given up
 * because a disk is full; a fault of ours is thrown at once.
 */
export async function untilStored<T>(
  write: () => T,
  deps: { readonly log: Log; readonly trouble: (what: string | undefined) => void },
  signal?: AbortSignal,
): Promise<T> {
  for (let pause = 100; ; pause = Math.min(pause * 2, 10_000)) {
    try {
      const result = write()
      deps.trouble(undefined)
      return result
    } catch (error) {
      if (!isPassing(error)) throw error
      const what = error instanceof Error ? error.message : String(error)
      deps.trouble(`The store cannot be written (${what}). Free some disk space; nothing is lost meanwhile.`)
      deps.log.error({ what, againInMs: pause }, 'the store cannot be written')
      await sleep(pause, undefined, signal === undefined ? {} : { signal })
    }
  }
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false
  // The low byte is the primary code; the rest says which kind of it.
  return passing.has(error.errcode & 0xff)
}
