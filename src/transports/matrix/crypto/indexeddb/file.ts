import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { Catalog, type KeyPath } from './catalog.ts'
import { Records } from './records.ts'
import { Statements } from './statements.ts'

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

/**
 * One IndexedDB database in one SQLite file. Nobody else can have it open: two writers would ruin the keys of a device.
 * What was committed is on the disk.
 */
export class IndexedFile {
  readonly #sql: DatabaseSync
  readonly #statements: Statements
  readonly catalog: Catalog
  readonly records: Records
  #meta: { readonly version: number; readonly commits: number }
  /** As the disk has it. */
  #written: number
  #together = false

  /** Throws what SQLite throws: `database is locked` where another process has it open. */
  constructor(path: string) {
    this.#sql = new DatabaseSync(path, { timeout: 0 })
    this.#statements = new Statements(this.#sql)
    try {
      this.#sql.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      this.#sql.exec(schema)
      this.#meta = this.#readMeta()
      this.#written = this.#meta.commits
      this.catalog = new Catalog(this.#statements)
      this.records = new Records(this.#statements, this.catalog)
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
    this.#statements.run('UPDATE meta SET commits = commits + 1')
    this.#sql.exec(this.#together ? 'RELEASE one' : 'COMMIT')
    this.#meta = this.#readMeta()
    if (!this.#together) this.#written = this.#meta.commits
  }

  rollback(): void {
    if (this.#sql.isTransaction) this.#sql.exec(this.#together ? 'ROLLBACK TO one; RELEASE one' : 'ROLLBACK')
    this.#meta = this.#readMeta()
    this.catalog.refresh()
  }

  setVersion(version: number): void {
    this.#statements.run('UPDATE meta SET version = ?', version)
    this.#meta = this.#readMeta()
  }

  removeStore(name: string): void {
    this.records.remove(name, undefined)
    this.catalog.removeStore(name)
  }

  addIndex(store: string, name: string, keyPath: KeyPath, unique: boolean): void {
    this.catalog.addIndex(store, name, keyPath, unique)
    this.records.fill(store, name)
  }

  #readMeta(): { readonly version: number; readonly commits: number } {
    return metaRow.parse(this.#statements.get('SELECT version, commits FROM meta'))
  }
}
