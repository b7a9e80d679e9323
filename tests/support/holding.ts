import { mkdirSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A holder that was killed must not stop the others for ever. */
const abandonedMs = 10 * 60_000

/** Does `work` while no other test process does work of the same name. */
export async function holding<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = join(tmpdir(), `ductor-tests-${name}.lock`)
  for (;;) {
    try {
      mkdirSync(lock)
      break
    } catch {
      if (isAbandoned(lock)) rmdirSync(lock)
      else await sleep(200)
    }
  }
  try {
    return await work()
  } finally {
    rmdirSync(lock)
  }
}

function isAbandoned(lock: string): boolean {
  try {
    return Date.now() - statSync(lock).mtimeMs > abandonedMs
  } catch {
    // It was given back this moment.
    return false
  }
}
