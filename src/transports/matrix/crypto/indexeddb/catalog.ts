import { z } from 'zod'
import type { Statements } from './statements.ts'

export type KeyPath = string | readonly string[]

export interface IndexFacts {
  readonly id: number
  readonly keyPath: KeyPath
  readonly unique: boolean
}

export interface StoreFacts {
  readonly id: number
  readonly indexes: ReadonlyMap<string, IndexFacts>
}

const storeRow = z.object({ id: z.number(), name: z.string() })
const indexRow = z.object({
  id: z.number(),
  store: z.number(),
  name: z.string(),
  path: z.string().transform((text) => z.union([z.string(), z.array(z.string())]).parse(JSON.parse(text))),
  uniq: z.number(),
})

/** Which object stores and indexes there are in one file. */
export class Catalog {
  readonly #sql: Statements
  #stores: ReadonlyMap<string, StoreFacts>

  constructor(sql: Statements) {
    this.#sql = sql
    this.#stores = this.#read()
  }

  get stores(): ReadonlyMap<string, StoreFacts> {
    return this.#stores
  }

  /** After a transaction that was undone. */
  refresh(): void {
    this.#stores = this.#read()
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

  addStore(name: string): void {
    this.#sql.run('INSERT INTO store (name) VALUES (?)', name)
    this.#stores = this.#read()
  }

  /** Its records and what its indexes hold have to be gone already. */
  removeStore(name: string): void {
    const { id } = this.store(name)
    this.#sql.run('DELETE FROM idx WHERE store = ?', id)
    this.#sql.run('DELETE FROM store WHERE id = ?', id)
    this.#stores = this.#read()
  }

  /** It holds nothing yet. */
  addIndex(store: string, name: string, keyPath: KeyPath, unique: boolean): void {
    const values = [this.store(store).id, name, JSON.stringify(keyPath), unique ? 1 : 0]
    this.#sql.run('INSERT INTO idx (store, name, path, uniq) VALUES (?, ?, ?, ?)', ...values)
    this.#stores = this.#read()
  }

  #read(): ReadonlyMap<string, StoreFacts> {
    const indexes = this.#sql
      .all('SELECT id, store, name, path, uniq FROM idx')
      .map((row) => indexRow.parse(row))
    const stores = this.#sql.all('SELECT id, name FROM store').map((row) => storeRow.parse(row))
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
}
