import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** SQLite's code for "somebody else holds it". */
const busy = 5

/** Held until it is released or the process ends, however it ends: the operating system gives it back. */
export interface Lock extends Disposable {
  /** May be called again. */
  release(): void
}

/** Takes the lock that the file `path` stands for; undefined if another process holds it. */
export function takeLock(path: string): Lock | undefined {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  try {
    db.exec('pragma busy_timeout = 0')
    db.exec('begin exclusive')
  } catch (error) {
    db.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) return undefined
    throw error
  }
  chmodSync(path, 0o600)
  const release = () => {
    if (db.isOpen) db.close()
  }
  return { release, [Symbol.dispose]: release }
}

/** Does a process hold the lock at this moment? */
export function isLocked(path: string): boolean {
  using lock = takeLock(path)
  return lock === undefined
}
