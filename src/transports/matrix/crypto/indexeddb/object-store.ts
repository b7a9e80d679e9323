import { IDBCursorWithValue } from './cursor.ts'
import type { IndexedFile } from './file.ts'
import type { Row } from './records.ts'
import { decodeKey, encodeKey } from './keys.ts'
import type { Asking, IDBRequest } from './requests.ts'

/** https://www.w3.org/TR/IndexedDB/#object-store-interface, for stores whose keys stand beside the values. */
export class IDBObjectStore {
  readonly name: string
  readonly #asking: Asking
  readonly #file: IndexedFile

  constructor(name: string, asking: Asking, file: IndexedFile) {
    file.catalog.store(name)
    this.name = name
    this.#asking = asking
    this.#file = file
  }

  put(value: unknown, key: unknown): IDBRequest {
    return this.#put(value, key, true)
  }

  add(value: unknown, key: unknown): IDBRequest {
    return this.#put(value, key, false)
  }

  get(key: unknown): IDBRequest {
    return this.#asking.ask(() => this.#file.records.values(this.name, key, 1)[0])
  }

  getAll(query?: unknown, limit?: number): IDBRequest {
    return this.#asking.ask(() => this.#file.records.values(this.name, query, limit || undefined))
  }

  getAllKeys(query?: unknown, limit?: number): IDBRequest {
    return this.#asking.ask(() =>
      this.#file.records.rows(this.name, query, limit || undefined).map(({ key }) => decodeKey(key)),
    )
  }

  count(query?: unknown): IDBRequest {
    return this.#asking.ask(() => this.#file.records.count(this.name, query))
  }

  delete(query: unknown): IDBRequest {
    return this.#asking.askToWrite(() => this.#file.records.remove(this.name, query))
  }

  clear(): IDBRequest {
    return this.#asking.askToWrite(() => this.#file.records.remove(this.name, undefined))
  }

  openCursor(query?: unknown): IDBRequest {
    return openCursor(this.#asking, this.#file, this.name, () => this.#file.records.rows(this.name, query))
  }

  createIndex(name: string, keyPath: unknown, { unique = false }: { unique?: boolean } = {}): IDBIndex {
    const path = Array.isArray(keyPath) ? keyPath.map(String) : String(keyPath)
    this.#file.addIndex(this.name, name, path, unique)
    return this.index(name)
  }

  index(name: string): IDBIndex {
    return new IDBIndex(name, this.name, this.#asking, this.#file)
  }

  #put(value: unknown, key: unknown, overwrite: boolean): IDBRequest {
    const bytes = encodeKey(key)
    // What is stored is the value as it is now.
    const copy = structuredClone(value)
    return this.#asking.askToWrite(() => {
      this.#file.records.put(this.name, bytes, copy, overwrite)
      return decodeKey(bytes)
    })
  }
}

/** https://www.w3.org/TR/IndexedDB/#index-interface */
export class IDBIndex {
  readonly name: string
  readonly #store: string
  readonly #asking: Asking
  readonly #file: IndexedFile

  constructor(name: string, store: string, asking: Asking, file: IndexedFile) {
    file.catalog.index(store, name)
    this.name = name
    this.#store = store
    this.#asking = asking
    this.#file = file
  }

  get(query: unknown): IDBRequest {
    return this.#asking.ask(() => this.#values(query, 1)[0])
  }

  getAll(query?: unknown, limit?: number): IDBRequest {
    return this.#asking.ask(() => this.#values(query, limit || undefined))
  }

  getAllKeys(query?: unknown, limit?: number): IDBRequest {
    return this.#asking.ask(() => this.#rows(query, limit || undefined).map(({ key }) => decodeKey(key)))
  }

  count(query?: unknown): IDBRequest {
    return this.#asking.ask(() => this.#file.records.countIndex(this.#store, this.name, query))
  }

  openCursor(query?: unknown): IDBRequest {
    return openCursor(this.#asking, this.#file, this.#store, () => this.#rows(query))
  }

  #rows(query: unknown, limit?: number): readonly Row[] {
    return this.#file.records.rowsOfIndex(this.#store, this.name, query, limit)
  }

  #values(query: unknown, limit?: number): readonly unknown[] {
    return this.#rows(query, limit).map(({ key }) => this.#file.records.value(this.#store, key))
  }
}

function openCursor(
  asking: Asking,
  file: IndexedFile,
  store: string,
  read: () => readonly Row[],
): IDBRequest {
  const request = asking.ask(() => {
    const [first, ...rest] = read()
    return first === undefined ? null : new IDBCursorWithValue(request, asking, file, store, [first, ...rest])
  })
  return request
}
