import { chmodSync, closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { UserError } from '../core/user-error.ts'
import { migrations } from './migrations/index.ts'

/** The name of the file in the home folder. */
export const storeFile = 'ductor.db'

/** For so long the start waits for whoever holds the store. */
const startMs = 10_000

/** Where the store waits as it was in that form, when a newer ductor has changed it. */
export function formerStore(path: string, form: number): string {
  return `${path}.form-${form}`
}

/** The form of a store that is there. */
export function formOf(path: string): number {
  using db = openForReading(path)
  return formIn(db)
}

/**
 * Opens the database and brings it to the newest form. What a commit has written survives a crash of the process and
 * of the machine. Before its form is changed, a copy is put beside it. Throws `UserError` for a file that a newer ductor
 * has written.
 */
export function openDatabase(path: string): DatabaseSync {
  if (path !== ':memory:') {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    // SQLite would let others read it, where the folder does; what it puts beside it has the same mode.
    closeSync(openSync(path, 'a', 0o600))
  }
  // Somebody may just be copying it.
  const db = new DatabaseSync(path, { timeout: startMs })
  try {
    db.exec('pragma auto_vacuum = incremental')
    db.exec('pragma journal_mode = wal')
    db.exec('pragma synchronous = full')
    db.exec('pragma foreign_keys = on')
    migrate(db, path)
    db.exec('pragma busy_timeout = 2000')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Opens an existing database for reading, beside a running ductor or without one. */
export function openForReading(path: string): DatabaseSync {
  return new DatabaseSync(path, { readOnly: true })
}

function formIn(db: DatabaseSync): number {
  return Number(db.prepare('pragma user_version').get()?.['user_version'] ?? 0)
}

function migrate(db: DatabaseSync, path: string): void {
  const version = formIn(db)
  if (version > migrations.length) {
    throw new UserError(
      `The store was written by a newer ductor (form ${version}; this one knows ${migrations.length}). ` +
        `Run the newer version, or put ${formerStore(storeFile, migrations.length)} in its place, if that is there; ` +
        'without a store, ductor begins with an empty one.',
    )
  }
  if (version > 0 && version < migrations.length && path !== ':memory:') keep(db, formerStore(path, version))
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue
    db.exec('begin immediate')
    try {
      db.exec(sql)
      db.exec(`pragma user_version = ${index + 1}`)
      db.exec('commit')
    } catch (error) {
      db.exec('rollback')
      throw error
    }
  }
}

/** The way back to the version of before. */
function keep(db: DatabaseSync, path: string): void {
  rmSync(path, { force: true })
  db.prepare('vacuum into ?').run(path)
  chmodSync(path, 0o600)
}
