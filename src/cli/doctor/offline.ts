import { join } from 'node:path'
import type { AdapterDeps, Log } from '../../core/define.ts'
import type { Memory } from '../../core/transport.ts'
import { openForReading, storeFile } from '../../store/open.ts'
import { sqliteStore, type SqliteStore } from '../../store/sqlite-store.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** What an adapter is given to look around with: it may read what it remembers, and leaves nothing behind. */
export function offline(home: string, name: string): AdapterDeps {
  return { home, log: silent, memory: memoryOf(join(home, storeFile), name) }
}

function memoryOf(path: string, source: string): Memory {
  const read = <T>(look: (store: SqliteStore) => T, otherwise: T): T => {
    try {
      const opened = sqliteStore(openForReading(path))
      try {
        return look(opened)
      } finally {
        opened.close()
      }
    } catch {
      // No store yet, or one that does not open, which has a finding of its own: then nothing is remembered.
      return otherwise
    }
  }
  return {
    recall: (key) => read((opened) => opened.recall(source, key), undefined),
    list: (prefix) => read((opened) => opened.list(source, prefix), []),
    remember() {},
  }
}

/** For a person, out of anything that was thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
