import { IDBCursor, IDBCursorWithValue } from './cursor.ts'
import { IDBDatabase, IDBFactory } from './factory.ts'
import { IDBIndex, IDBObjectStore } from './object-store.ts'
import { IDBKeyRange } from './ranges.ts'
import { IDBOpenDBRequest, IDBRequest } from './requests.ts'
import { IDBTransaction } from './transaction.ts'

/** What the wasm looks for among the globals. */
export const indexedDbClasses = {
  IDBCursor,
  IDBCursorWithValue,
  IDBDatabase,
  IDBFactory,
  IDBIndex,
  IDBKeyRange,
  IDBObjectStore,
  IDBOpenDBRequest,
  IDBRequest,
  IDBTransaction,
}

let installed: IDBFactory | undefined
const paths = new Map<string, string>()

/** Gives this process its one IndexedDB. A database whose name begins with that of a store lies in the store's folder. */
export function indexedDb(): IDBFactory {
  if (installed !== undefined) return installed
  installed = new IDBFactory((name) => {
    const [store = ''] = name.split('::')
    const folder = paths.get(store)
    if (folder === undefined) throw new DOMException(`nobody said where ${name} lies`, 'NotFoundError')
    return `${folder}/${name.slice(store.length).replaceAll(/[^\w-]+/g, '')}.sqlite`
  })
  Object.assign(globalThis, indexedDbClasses, { indexedDB: installed })
  return installed
}

/** The databases of `store` lie in this folder from now on. */
export function placeStore(store: string, folder: string): void {
  paths.set(store, folder)
}
