import type { IndexedFile } from './file.ts'
import { IDBObjectStore } from './object-store.ts'
import { asDomException, IDBRequest, type Asking, type IDBTransactionMode } from './requests.ts'

interface Job {
  readonly request: IDBRequest
  readonly work: () => unknown
}

/** `undefined`: it is on the disk; otherwise why it is not, where anybody said so. */
type Ended = (aborted: DOMException | null | undefined) => void

/**
 * https://www.w3.org/TR/IndexedDB/#transaction. `oncomplete` comes when SQLite has written it all to the disk: what the
 * wasm believes to be stored is stored. It ends by itself when a round of the event loop has asked nothing more of it.
 */
export class IDBTransaction implements Asking {
  oncomplete: ((event: { readonly type: string; readonly target: IDBTransaction }) => void) | null = null
  onabort: ((event: { readonly type: string; readonly target: IDBTransaction }) => void) | null = null
  onerror: ((event: { readonly type: string; readonly target: IDBTransaction }) => void) | null = null
  error: DOMException | null = null
  readonly mode: IDBTransactionMode
  readonly db: unknown
  readonly #file: IndexedFile
  readonly #ended: Ended
  #state: 'waiting' | 'running' | 'done' = 'waiting'
  #jobs: Job[] = []
  #scheduled = false
  #commits = false
  #wrote = false

  /** `ended` is called when the next transaction may begin, with why it was aborted, if it was. */
  constructor(db: unknown, mode: IDBTransactionMode, file: IndexedFile, ended: Ended) {
    this.db = db
    this.mode = mode
    this.#file = file
    this.#ended = ended
  }

  objectStore(name: string): IDBObjectStore {
    return new IDBObjectStore(name, this, this.#file)
  }

  ask(work: () => unknown): IDBRequest {
    const request = new IDBRequest()
    request.transaction = this
    this.askAgain(request, work)
    return request
  }

  askToWrite(work: () => unknown): IDBRequest {
    if (this.mode === 'readonly') throw new DOMException('the transaction only reads', 'ReadOnlyError')
    return this.ask(() => {
      this.#write()
      return work()
    })
  }

  askAgain(request: IDBRequest, work: () => unknown): void {
    if (this.#state === 'done' || this.#commits) {
      throw new DOMException('the transaction has ended', 'TransactionInactiveError')
    }
    request.readyState = 'pending'
    this.#jobs.push({ request, work })
    this.#schedule()
  }

  commit(): void {
    this.#commits = true
    this.#schedule()
  }

  abort(): void {
    this.#abort(null)
  }

  /** Its turn has come. `first` is done before anything that it was asked. */
  start(first?: () => void): void {
    this.#state = 'running'
    try {
      if (this.mode === 'versionchange') this.#write()
      first?.()
    } catch (error) {
      this.#abort(asDomException(error))
      return
    }
    this.#schedule()
  }

  /** A transaction that changes nothing costs no write. */
  #write(): void {
    if (this.#wrote) return
    this.#file.begin()
    this.#wrote = true
  }

  #schedule(): void {
    if (this.#state !== 'running' || this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#round()
    })
  }

  #round(): void {
    if (this.#state !== 'running') return
    const jobs = this.#jobs
    if (jobs.length === 0) {
      this.#finish()
      return
    }
    this.#jobs = []
    for (const job of jobs) this.#do(job)
    // Listeners ask more in this round or in the promises that follow from it; the next one sees whether they did.
    this.#schedule()
  }

  #do({ request, work }: Job): void {
    // A listener of the one before may have ended the transaction.
    if (this.#state === 'done') {
      request.fail(new DOMException('the transaction was aborted', 'AbortError'))
      return
    }
    let result: unknown
    try {
      result = work()
    } catch (error) {
      const fault = asDomException(error)
      request.fail(fault)
      this.#abort(fault)
      return
    }
    request.succeed(result)
  }

  #finish(): void {
    try {
      if (this.#wrote) this.#file.commit()
    } catch (error) {
      this.#abort(asDomException(error))
      return
    }
    this.#state = 'done'
    this.oncomplete?.({ type: 'complete', target: this })
    this.#ended(undefined)
  }

  #abort(error: DOMException | null): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    if (this.#wrote) this.#file.rollback()
    this.error = error
    const left = this.#jobs
    this.#jobs = []
    for (const { request } of left)
      request.fail(new DOMException('the transaction was aborted', 'AbortError'))
    this.onabort?.({ type: 'abort', target: this })
    this.#ended(error)
  }
}
