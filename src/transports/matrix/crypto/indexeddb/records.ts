import { deserialize, serialize } from 'node:v8'
import type { Catalog, IndexFacts, KeyPath } from './catalog.ts'
import { encodeKey } from './keys.ts'
import { conditionOf } from './ranges.ts'
import { bytesOf, type Statements } from './statements.ts'

/** A record as it lies in the file. `sortKey`: what it is sorted by, the key or what the index makes of it. */
export interface Row {
  readonly sortKey: Uint8Array
  readonly key: Uint8Array
}

/** SQLite's word for no limit. */
const everything = -1

/** The records of one file, and what its indexes make of them. */
export class Records {
  readonly #sql: Statements
  readonly #catalog: Catalog

  constructor(sql: Statements, catalog: Catalog) {
    this.#sql = sql
    this.#catalog = catalog
  }

  /** Throws a `ConstraintError` where the key, or what a unique index makes of the value, is taken. */
  put(store: string, key: Uint8Array, value: unknown, overwrite: boolean): void {
    const { id, indexes } = this.#catalog.store(store)
    const there =
      this.#sql.get('SELECT 1 AS found FROM record WHERE store = ? AND key = ?', id, key) !== undefined
    if (there && !overwrite) throw new DOMException('the key is taken', 'ConstraintError')
    for (const index of indexes.values()) {
      if (there) this.#sql.run('DELETE FROM entry WHERE idx = ? AND key = ?', index.id, key)
      this.#enter(index, key, value)
    }
    const put =
      'INSERT INTO record (store, key, value) VALUES (?, ?, ?) ON CONFLICT (store, key) DO UPDATE SET value = excluded.value'
    this.#sql.run(put, id, key, serialize(value))
  }

  remove(store: string, query: unknown): void {
    const { id, indexes } = this.#catalog.store(store)
    const { sql, values } = conditionOf(query, 'key')
    for (const index of indexes.values()) {
      const keys = `SELECT key FROM record WHERE store = ?${sql}`
      this.#sql.run(`DELETE FROM entry WHERE idx = ? AND key IN (${keys})`, index.id, id, ...values)
    }
    this.#sql.run(`DELETE FROM record WHERE store = ?${sql}`, id, ...values)
  }

  count(store: string, query: unknown): number {
    const { sql, values } = conditionOf(query, 'key')
    const counted = `SELECT count(*) AS found FROM record WHERE store = ?${sql}`
    return Number(this.#sql.get(counted, this.#catalog.store(store).id, ...values)?.['found'])
  }

  countIndex(store: string, name: string, query: unknown): number {
    const { sql, values } = conditionOf(query, 'ikey')
    const counted = `SELECT count(*) AS found FROM entry WHERE idx = ?${sql}`
    return Number(this.#sql.get(counted, this.#catalog.index(store, name).id, ...values)?.['found'])
  }

  /** The records of the range, in order.*/
  rows(store: string, query: unknown, limit = everything): readonly Row[] {
    const { sql, values } = conditionOf(query, 'key')
    const select = `SELECT key FROM record WHERE store = ?${sql} ORDER BY key LIMIT ?`
    return this.#sql.all(select, this.#catalog.store(store).id, ...values, limit).map(({ key }) => {
      const bytes = bytesOf(key)
      return { sortKey: bytes, key: bytes }
    })
  }

  rowsOfIndex(store: string, name: string, query: unknown, limit = everything): readonly Row[] {
    const { sql, values } = conditionOf(query, 'ikey')
    const select = `SELECT ikey, key FROM entry WHERE idx = ?${sql} ORDER BY ikey, key LIMIT ?`
    return this.#sql
      .all(select, this.#catalog.index(store, name).id, ...values, limit)
      .map(({ ikey, key }) => ({
        sortKey: bytesOf(ikey),
        key: bytesOf(key),
      }))
  }

  /** The values of the range, in order.*/
  values(store: string, query: unknown, limit = everything): readonly unknown[] {
    const { sql, values } = conditionOf(query, 'key')
    const select = `SELECT value FROM record WHERE store = ?${sql} ORDER BY key LIMIT ?`
    return this.#sql
      .all(select, this.#catalog.store(store).id, ...values, limit)
      .map(({ value }) => deserialize(bytesOf(value)))
  }

  value(store: string, key: Uint8Array): unknown {
    const select = 'SELECT value FROM record WHERE store = ? AND key = ?'
    const row = this.#sql.get(select, this.#catalog.store(store).id, key)
    return row === undefined ? undefined : deserialize(bytesOf(row['value']))
  }

  /** Enters all records of the store into an index of it that holds nothing yet. */
  fill(store: string, name: string): void {
    const index = this.#catalog.index(store, name)
    const { id } = this.#catalog.store(store)
    for (const { key, value } of this.#sql.all('SELECT key, value FROM record WHERE store = ?', id)) {
      this.#enter(index, bytesOf(key), deserialize(bytesOf(value)))
    }
  }

  #enter(index: IndexFacts, key: Uint8Array, value: unknown): void {
    const ikey = indexKey(value, index.keyPath)
    if (ikey === undefined) return
    if (index.unique) {
      const other = 'SELECT 1 AS found FROM entry WHERE idx = ? AND ikey = ? AND key <> ?'
      if (this.#sql.get(other, index.id, ikey, key) !== undefined) {
        throw new DOMException('what a unique index holds is taken', 'ConstraintError')
      }
    }
    this.#sql.run('INSERT INTO entry (idx, ikey, key) VALUES (?, ?, ?)', index.id, ikey, key)
  }
}

/** What an index makes of a value; undefined where it makes nothing of it. */
function indexKey(value: unknown, path: KeyPath): Buffer | undefined {
  try {
    return encodeKey(at(value, path))
  } catch (error) {
    if (error instanceof DOMException) return undefined
    throw error
  }
}

function at(value: unknown, path: KeyPath): unknown {
  if (typeof path !== 'string') return path.map((part) => at(value, part))
  let found = value
  for (const name of path === '' ? [] : path.split('.')) {
    if (typeof found !== 'object' || found === null) return undefined
    found = Reflect.get(found, name)
  }
  return found
}
