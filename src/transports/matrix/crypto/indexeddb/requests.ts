/** What a listener is told. Only the wasm listens, and it reads no more than this. */
export interface IndexedEvent {
  readonly type: string
  readonly target: IDBRequest
}

export interface UpgradeEvent extends IndexedEvent {
  readonly oldVersion: number
  readonly newVersion: number
}

/** https://www.w3.org/TR/IndexedDB/#request-construct */
export class IDBRequest {
  onsuccess: ((event: IndexedEvent) => void) | null = null
  onerror: ((event: IndexedEvent) => void) | null = null
  readyState: 'pending' | 'done' = 'pending'
  result: unknown = undefined
  error: DOMException | null = null
  /** The transaction that it is a part of. */
  transaction: unknown = null

  succeed(result: unknown): void {
    this.result = result
    this.readyState = 'done'
    this.onsuccess?.({ type: 'success', target: this })
  }

  fail(error: DOMException): void {
    this.result = undefined
    this.error = error
    this.readyState = 'done'
    this.onerror?.({ type: 'error', target: this })
  }
}

export class IDBOpenDBRequest extends IDBRequest {
  onupgradeneeded: ((event: UpgradeEvent) => void) | null = null
  onblocked: ((event: IndexedEvent) => void) | null = null

  upgrade(database: unknown, transaction: unknown, oldVersion: number, newVersion: number): void {
    this.result = database
    this.transaction = transaction
    this.readyState = 'done'
    this.onupgradeneeded?.({ type: 'upgradeneeded', target: this, oldVersion, newVersion })
  }
}

/** What a part of a transaction asks of it. */
export interface Asking {
  readonly mode: IDBTransactionMode
  /** Does `work` when its turn comes. Throws where the transaction has ended. */
  ask(work: () => unknown): IDBRequest
  /** The same for work that changes something. */
  askToWrite(work: () => unknown): IDBRequest
  /** The same request once more, as a cursor does. */
  askAgain(request: IDBRequest, work: () => unknown): void
}

export type IDBTransactionMode = 'readonly' | 'readwrite' | 'versionchange'

export function asDomException(error: unknown): DOMException {
  if (error instanceof DOMException) return error
  return new DOMException(error instanceof Error ? error.message : String(error), 'UnknownError')
}
