import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** SQLite's code for "somebody else holds it". */
const busy = 5
/** Longer than anybody's look at the lock takes. */
const patienceMs = 250

/** Held until it is released or the process ends, however it ends: the operating system gives it back. */
export interface Lock extends Disposable {
  /** May be called again. */
  release(): void
}

/**
 * Takes the lock that the file `path` stands for; undefined if another process holds it. The folder is made if need
 * be. Throws where the file cannot be opened.
 */
export function takeLock(path: string): Lock | undefined {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  try {
    // Somebody may be looking at it: that must not pass for holding it.
    db.exec(`pragma busy_timeout = ${patienceMs}`)
    db.exec('begin exclusive')
    chmodSync(path, 0o600)
  } catch (error) {
    db.close()
    if (isBusy(error)) return undefined
    throw error
  }
  const release = () => {
    if (db.isOpen) db.close()
  }
  return { release, [Symbol.dispose]: release }
}

/** Does a process hold the lock at this moment? Only looks: it makes nothing, and keeps nobody from taking it. */
export function isLocked(path: string): boolean {
  if (!existsSync(path)) return false
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    db.prepare('select count(*) from sqlite_schema').get()
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    db.close()
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === busy
}
