import type { DatabaseSync } from 'node:sqlite'
import type { Store } from '../core/store.ts'
import { choices } from './choices.ts'
import { grants } from './grants.ts'
import { inbox } from './inbox.ts'
import { memories } from './memories.ts'
import { posts } from './posts.ts'
import { pruning } from './prune.ts'
import { publications } from './publications.ts'
import { sessions } from './sessions.ts'
import { sqlOf } from './sql.ts'
import { strands } from './strands.ts'
import { traces } from './traces.ts'
import { turns } from './turns.ts'

/** The store, and what only its owner may do with it. */
export interface SqliteStore extends Store {
  /** Removes what was finished before `before` (milliseconds since 1970) and gives the space back. */
  prune(before: number): void
  close(): void
}

/** The store on SQLite: a file beside this one for each table. */
export function sqliteStore(db: DatabaseSync, now: () => number = Date.now): SqliteStore {
  const sql = sqlOf(db, now)
  const prune = pruning(sql)
  return {
    transaction: sql.transaction,
    ...inbox(sql),
    ...strands(sql),
    ...sessions(sql),
    ...grants(sql),
    ...turns(sql),
    ...choices(sql),
    ...publications(sql),
    ...posts(sql),
    ...traces(sql),
    ...memories(sql),
    prune(before) {
      prune(before)
      db.exec('pragma incremental_vacuum')
    },
    close: () => db.close(),
  }
}
