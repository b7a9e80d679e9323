import type { DatabaseSync, SQLInputValue, StatementResultingChanges, StatementSync } from 'node:sqlite'
import type { z } from 'zod'
import { once } from '../lib/once.ts'

/** A statement that changes something. */
export type Command = (...values: SQLInputValue[]) => StatementResultingChanges

/** A statement that reads, and what its rows become. */
export interface Query<T> {
  one(...values: SQLInputValue[]): T | undefined
  all(...values: SQLInputValue[]): T[]
}

/** The database as the tables see it. A statement is prepared once, when it is first used. */
export interface Sql {
  readonly now: () => number
  readonly command: (text: string) => Command
  readonly query: <T>(row: z.ZodType<T>, text: string) => Query<T>
  /** All or nothing. May be nested; the outermost decides. */
  readonly transaction: <T>(work: () => T) => T
}

/** `now`: milliseconds since 1970. */
export function sqlOf(db: DatabaseSync, now: () => number): Sql {
  const prepared = (text: string): (() => StatementSync) => once(() => db.prepare(text))
  let inside = false
  return {
    now,
    command(text) {
      const statement = prepared(text)
      return (...values) => statement().run(...values)
    },
    query(row, text) {
      const statement = prepared(text)
      return {
        one(...values) {
          const found = statement().get(...values)
          return found === undefined ? undefined : row.parse(found)
        },
        all: (...values) =>
          statement()
            .all(...values)
            .map((found) => row.parse(found)),
      }
    },
    transaction(work) {
      if (inside) return work()
      db.exec('begin immediate')
      inside = true
      try {
        const result = work()
        db.exec('commit')
        return result
      } catch (error) {
        // SQLite has rolled back by itself after some errors (a full disk).
        if (db.isTransaction) db.exec('rollback')
        throw error
      } finally {
        inside = false
      }
    },
  }
}
