import type { IndexedFile } from './file.ts'
import type { Row } from './records.ts'
import { decodeKey } from './keys.ts'
import type { Asking, IDBRequest } from './requests.ts'

/** https://www.w3.org/TR/IndexedDB/#cursor-interface. It goes forward, through what was there when it was opened. */
export class IDBCursor {
  readonly request: IDBRequest
  protected readonly file: IndexedFile
  protected readonly store: string
  readonly #asking: Asking
  readonly #rows: readonly Row[]
  #at = 0

  constructor(
    request: IDBRequest,
    asking: Asking,
    file: IndexedFile,
    store: string,
    rows: readonly [Row, ...Row[]],
  ) {
    this.request = request
    this.file = file
    this.store = store
    this.#asking = asking
    this.#rows = rows
  }

  protected get row(): Row {
    const row = this.#rows[this.#at]
    if (row === undefined) throw new DOMException('the cursor is at its end', 'InvalidStateError')
    return row
  }

  get key(): unknown {
    return decodeKey(this.row.sortKey)
  }

  get primaryKey(): unknown {
    return decodeKey(this.row.key)
  }

  continue(): void {
    this.#asking.askAgain(this.request, () => {
      this.#at++
      return this.#at < this.#rows.length ? this : null
    })
  }

  update(value: unknown): IDBRequest {
    const { key } = this.row
    const copy = structuredClone(value)
    return this.#asking.askToWrite(() => {
      this.file.records.put(this.store, key, copy, true)
      return decodeKey(key)
    })
  }

  delete(): IDBRequest {
    const { key } = this.row
    return this.#asking.askToWrite(() => {
      this.file.records.remove(this.store, decodeKey(key))
    })
  }
}

export class IDBCursorWithValue extends IDBCursor {
  get value(): unknown {
    return this.file.records.value(this.store, this.row.key)
  }
}
