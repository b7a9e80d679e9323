import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { deserialize, serialize } from 'node:v8'
import { z } from 'zod'
import { encodeKey } from './keys.ts'
import { conditionOf } from './ranges.ts'

type KeyPath = string | readonly string[]

export interface IndexFacts {
  readonly id: number
  readonly keyPath: KeyPath
  readonly unique: boolean
}

export interface StoreFacts {
  readonly id: number
  readonly indexes: ReadonlyMap<string, IndexFacts>
}

/** A record as it lies in the file. `sortKey`: what it is sorted by, the key or what the index makes of it. */
export interface Row {
  readonly sortKey: Uint8Array
  readonly key: Uint8Array
}

/** SQLite's word for no limit. */
const everything = -1

const schema = `
  CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, commits INTEGER NOT NULL);
  INSERT OR IGNORE INTO meta VALUES (1, 0, 0);
  CREATE TABLE IF NOT EXISTS store (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE IF NOT EXISTS idx (id INTEGER PRIMARY KEY, store INTEGER NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,
    uniq INTEGER NOT NULL, UNIQUE (store, name));
  CREATE TABLE IF NOT EXISTS record (store INTEGER, key BLOB, value BLOB NOT NULL, PRIMARY KEY (store, key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS entry (idx INTEGER, ikey BLOB, key BLOB, PRIMARY KEY (idx, ikey, key)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS entry_by_key ON entry (idx, key);
`

const metaRow = z.object({ version: z.number(), commits: z.number() })
const storeRow = z.object({ id: z.number(), name: z.string() })
const indexRow = z.object({
  id: z.number(),
  store: z.number(),
  name: z.string(),
  path: z.string().transform((text) => z.union([z.string(), z.array(z.string())]).parse(JSON.parse(text))),
  uniq: z.number(),
})

/**
 * One IndexedDB database in one SQLite file. Nobody else can have it open: two writers would ruin the keys of a device.
 * What was committed is on the disk.
 */
export class IndexedFile {
  readonly #sql: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #stores: ReadonlyMap<string, StoreFacts>
  #meta: { readonly version: number; readonly commits: number }
  /** As the disk has it. */
  #written: number
  #together = false

  /** Throws what SQLite throws: `database is locked` where another process has it open. */
  constructor(path: string) {
    this.#sql = new DatabaseSync(path, { timeout: 0 })
    try {
      this.#sql.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      this.#sql.exec(schema)
      this.#meta = this.#readMeta()
      this.#written = this.#meta.commits
      this.#stores = this.#readStores()
    } catch (error) {
      this.#sql.close()
      throw error
    }
  }

  /** Zero: nothing was ever made in it. */
  get version(): number {
    return this.#meta.version
  }

  /** How many transactions were ever written to the disk: an older copy has fewer. */
  get commits(): number {
    return this.#written
  }

  get stores(): ReadonlyMap<string, StoreFacts> {
    return this.#stores
  }

  close(): void {
    this.#statements.clear()
    this.#sql.close()
  }

  /** All that is committed from now on is written together, by `writeTogether`. Between two transactions only. */
  holdTogether(): void {
    this.#together = true
  }

  /** Is something committed that is not on the disk yet? */
  get isHeld(): boolean {
    return this.#together && this.#sql.isTransaction
  }

  /** Throws what SQLite throws; then nothing is lost yet, and it can be called again. */
  writeTogether(): void {
    if (this.#sql.isTransaction) this.#sql.exec('COMMIT')
    this.#together = false
    this.#written = this.#meta.commits
  }

  begin(): void {
    if (!this.#sql.isTransaction) this.#sql.exec('BEGIN IMMEDIATE')
    if (this.#together) this.#sql.exec('SAVEPOINT one')
  }

  commit(): void {
    this.#run('UPDATE meta SET commits = commits + 1')
    this.#sql.exec(this.#together ? 'RELEASE one' : 'COMMIT')
    this.#meta = this.#readMeta()
    if (!this.#together) this.#written = this.#meta.commits
  }

  rollback(): void {
    if (this.#sql.isTransaction) this.#sql.exec(this.#together ? 'ROLLBACK TO one; RELEASE one' : 'ROLLBACK')
    this.#meta = this.#readMeta()
    this.#stores = this.#readStores()
  }

  setVersion(version: number): void {
    this.#run('UPDATE meta SET version = ?', version)
    this.#meta = this.#readMeta()
  }

  addStore(name: string): void {
    this.#run('INSERT INTO store (name) VALUES (?)', name)
    this.#stores = this.#readStores()
  }

  removeStore(name: string): void {
    const { id, indexes } = this.store(name)
    for (const index of indexes.values()) this.#run('DELETE FROM entry WHERE idx = ?', index.id)
    this.#run('DELETE FROM idx WHERE store = ?', id)
    this.#run('DELETE FROM record WHERE store = ?', id)
    this.#run('DELETE FROM store WHERE id = ?', id)
    this.#stores = this.#readStores()
  }

  addIndex(store: string, name: string, keyPath: KeyPath, unique: boolean): void {
    const { id } = this.store(store)
    const values = [id, name, JSON.stringify(keyPath), unique ? 1 : 0]
    this.#run('INSERT INTO idx (store, name, path, uniq) VALUES (?, ?, ?, ?)', ...values)
    this.#stores = this.#readStores()
    const index = this.index(store, name)
    for (const { key, value } of this.#all('SELECT key, value FROM record WHERE store = ?', id)) {
      this.#enter(index, bytesOf(key), deserialize(bytesOf(value)))
    }
  }

  store(name: string): StoreFacts {
    const store = this.#stores.get(name)
    if (store === undefined) throw new DOMException(`there is no object store ${name}`, 'NotFoundError')
    return store
  }

  index(store: string, name: string): IndexFacts {
    const index = this.store(store).indexes.get(name)
    if (index === undefined) throw new DOMException(`there is no index ${name}`, 'NotFoundError')
    return index
  }

  /** Throws a `ConstraintError` where the key, or what a unique index makes of the value, is taken. */
  put(store: string, key: Uint8Array, value: unknown, overwrite: boolean): void {
    const { id, indexes } = this.store(store)
    const there =
      this.#get('SELECT 1 AS found FROM record WHERE store = ? AND key = ?', id, key) !== undefined
    if (there && !overwrite) throw new DOMException('the key is taken', 'ConstraintError')
    for (const index of indexes.values()) {
      if (there) this.#run('DELETE FROM entry WHERE idx = ? AND key = ?', index.id, key)
      this.#enter(index, key, value)
    }
    const put =
      'INSERT INTO record (store, key, value) VALUES (?, ?, ?) ON CONFLICT (store, key) DO UPDATE SET value = excluded.value'
    this.#run(put, id, key, serialize(value))
  }

  remove(store: string, query: unknown): void {
    const { id, indexes } = this.store(store)
    const { sql, values } = conditionOf(query, 'key')
    for (const index of indexes.values()) {
      const keys = `SELECT key FROM record WHERE store = ?${sql}`
      this.#run(`DELETE FROM entry WHERE idx = ? AND key IN (${keys})`, index.id, id, ...values)
    }
    this.#run(`DELETE FROM record WHERE store = ?${sql}`, id, ...values)
  }

  count(store: string, query: unknown): number {
    const { sql, values } = conditionOf(query, 'key')
    const counted = `SELECT count(*) AS found FROM record WHERE store = ?${sql}`
    return Number(this.#get(counted, this.store(store).id, ...values)?.['found'])
  }

  countIndex(store: string, name: string, query: unknown): number {
    const { sql, values } = conditionOf(query, 'ikey')
    const counted = `SELECT count(*) AS found FROM entry WHERE idx = ?${sql}`
    return Number(this.#get(counted, this.index(store, name).id, ...values)?.['found'])
  }

  /** The records of the range, in order.*/
  rows(store: string, query: unknown, limit = everything): readonly Row[] {
    const { sql, values } = conditionOf(query, 'key')
    const select = `SELECT key FROM record WHERE store = ?${sql} ORDER BY key LIMIT ?`
    return this.#all(select, this.store(store).id, ...values, limit).map(({ key }) => {
      const bytes = bytesOf(key)
      return { sortKey: bytes, key: bytes }
    })
  }

  rowsOfIndex(store: string, name: string, query: unknown, limit = everything): readonly Row[] {
    const { sql, values } = conditionOf(query, 'ikey')
    const select = `SELECT ikey, key FROM entry WHERE idx = ?${sql} ORDER BY ikey, key LIMIT ?`
    return this.#all(select, this.index(store, name).id, ...values, limit).map(({ ikey, key }) => ({
      sortKey: bytesOf(ikey),
      key: bytesOf(key),
    }))
  }

  /** The values of the range, in order.*/
  values(store: string, query: unknown, limit = everything): readonly unknown[] {
    const { sql, values } = conditionOf(query, 'key')
    const select = `SELECT value FROM record WHERE store = ?${sql} ORDER BY key LIMIT ?`
    return this.#all(select, this.store(store).id, ...values, limit).map(({ value }) =>
      deserialize(bytesOf(value)),
    )
  }

  value(store: string, key: Uint8Array): unknown {
    const select = 'SELECT value FROM record WHERE store = ? AND key = ?'
    const row = this.#get(select, this.store(store).id, key)
    return row === undefined ? undefined : deserialize(bytesOf(row['value']))
  }

  #enter(index: IndexFacts, key: Uint8Array, value: unknown): void {
    const ikey = indexKey(value, index.keyPath)
    if (ikey === undefined) return
    if (index.unique) {
      const other = 'SELECT 1 AS found FROM entry WHERE idx = ? AND ikey = ? AND key <> ?'
      if (this.#get(other, index.id, ikey, key) !== undefined) {
        throw new DOMException('what a unique index holds is taken', 'ConstraintError')
      }
    }
    this.#run('INSERT INTO entry (idx, ikey, key) VALUES (?, ?, ?)', index.id, ikey, key)
  }

  #readMeta(): { readonly version: number; readonly commits: number } {
    return metaRow.parse(this.#get('SELECT version, commits FROM meta'))
  }

  #readStores(): ReadonlyMap<string, StoreFacts> {
    const indexes = this.#all('SELECT id, store, name, path, uniq FROM idx').map((row) => indexRow.parse(row))
    const stores = this.#all('SELECT id, name FROM store').map((row) => storeRow.parse(row))
    return new Map(
      stores.map(({ id, name }) => {
        const own = indexes.filter(({ store }) => store === id)
        const facts = own.map((index) => {
          const { id: number, path: keyPath, uniq } = index
          return [index.name, { id: number, keyPath, unique: uniq === 1 }] as const
        })
        return [name, { id, indexes: new Map(facts) }] as const
      }),
    )
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#sql.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #run(sql: string, ...values: readonly SQLInputValue[]): void {
    this.#prepared(sql).run(...values)
  }

  #get(sql: string, ...values: readonly SQLInputValue[]): Record<string, SQLOutputValue> | undefined {
    return this.#prepared(sql).get(...values)
  }

  #all(sql: string, ...values: readonly SQLInputValue[]): readonly Record<string, SQLOutputValue>[] {
    return this.#prepared(sql).all(...values)
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

function bytesOf(value: SQLOutputValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new TypeError('the store holds something that is no bytes')
}
