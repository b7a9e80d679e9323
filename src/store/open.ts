import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { UserError } from '../core/user-error.ts'
import { migrations } from './migrations/index.ts'

/** The name of the file in the home folder. */
export const storeFile = 'ductor.db'

/**
 * Opens the database and brings it to the newest form. What a commit has written survives a crash of the process and
 * of the machine. Throws `UserError` for a file that a newer ductor has written.
 */
export function openDatabase(path: string): DatabaseSync {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  try {
    db.exec('pragma auto_vacuum = incremental')
    db.exec('pragma journal_mode = wal')
    db.exec('pragma synchronous = full')
    db.exec('pragma foreign_keys = on')
    db.exec('pragma busy_timeout = 2000')
    migrate(db)
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

function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare('pragma user_version').get()?.['user_version'] ?? 0)
  if (version > migrations.length) {
    throw new UserError(
      `The store was written by a newer ductor (form ${version}; this one knows ${migrations.length}). ` +
        'Run the newer version, or move ductor.db away to begin with an empty store.',
    )
  }
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
