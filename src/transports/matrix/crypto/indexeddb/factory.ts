import { setTimeout as sleep } from 'node:timers/promises'
import { IndexedFile } from './file.ts'
import type { IDBObjectStore } from './object-store.ts'
import { asDomException, IDBOpenDBRequest, type IDBTransactionMode } from './requests.ts'
import { IDBTransaction } from './transaction.ts'

/** What happens when a database is made or renewed. Its listeners belong to whoever renews it. */
interface Renewal {
  begin(transaction: IDBTransaction): void
  end(aborted: DOMException | null | undefined): void
}

/** One open file, and the transactions that wait for it: one after the other, which IndexedDB always allows. */
class Line {
  readonly file: IndexedFile
  readonly #closed: () => void
  readonly #waiting: (() => void)[] = []
  #busy = false
  #shut = false
  #held: Promise<void> | undefined
  #users = 0

  constructor(path: string, closed: () => void) {
    this.file = new IndexedFile(path)
    this.#closed = closed
  }

  enter(): void {
    this.#users++
  }

  leave(): void {
    this.#users--
    this.#next()
  }

  /** What is written during `work` comes to the disk as one, when it has ended: all of it or nothing. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held = promise
    await this.#between(() => this.file.holdTogether())
    try {
      return await work()
    } finally {
      await this.#writeTogether()
      this.#held = undefined
      resolve()
    }
  }

  /** Resolves when all that was reported as done is on the disk. */
  async onDisk(): Promise<void> {
    await this.#held
  }

  /** A full disk is waited for: what was reported as done must not be undone. */
  async #writeTogether(): Promise<void> {
    for (;;) {
      try {
        await this.#between(() => this.file.writeTogether())
        return
      } catch (error) {
        if (!this.file.isHeld) throw error
        await sleep(1000)
      }
    }
  }

  /** Does it when no transaction is under way. */
  #between(work: () => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push(() => {
      try {
        work()
        resolve()
      } catch (error) {
        reject(error)
      }
      this.#next()
    })
    this.#next()
    return promise
  }

  /** Whoever still has a hold of it gets nothing more from it. */
  shut(): void {
    if (this.#shut) return
    this.#shut = true
    this.#waiting.length = 0
    this.file.close()
    this.#closed()
  }

  begin(db: unknown, mode: IDBTransactionMode, renewal?: Renewal): IDBTransaction {
    if (this.#shut) throw new DOMException('the database was closed', 'InvalidStateError')
    const transaction = new IDBTransaction(db, mode, this.file, (aborted) => {
      this.#busy = false
      renewal?.end(aborted)
      this.#next()
    })
    this.#waiting.push(() => {
      this.#busy = true
      transaction.start(renewal === undefined ? undefined : () => renewal.begin(transaction))
    })
    // Whoever begins it asks of it first.
    setImmediate(() => this.#next())
    return transaction
  }

  #next(): void {
    if (this.#busy || this.#shut) return
    const start = this.#waiting.shift()
    if (start !== undefined) start()
    else if (this.#users === 0) this.shut()
  }
}

/** https://www.w3.org/TR/IndexedDB/#database-interface */
export class IDBDatabase {
  readonly name: string
  readonly #line: Line
  #closed = false

  constructor(name: string, line: Line) {
    this.name = name
    this.#line = line
    line.enter()
  }

  get version(): number {
    return this.#line.file.version
  }

  /** The wasm reads `length` and `item`. */
  get objectStoreNames(): { readonly length: number; item(at: number): string | null } {
    const names = [...this.#line.file.catalog.stores.keys()].toSorted()
    return { length: names.length, item: (at) => names[at] ?? null }
  }

  /** Every transaction sees the whole database, so it does not matter which stores it names. */
  transaction(_stores: unknown, mode: IDBTransactionMode = 'readonly'): IDBTransaction {
    if (this.#closed) throw new DOMException('the database is closed', 'InvalidStateError')
    return this.#line.begin(this, mode)
  }

  /** Only while the database is made or renewed. */
  createObjectStore(name: string): IDBObjectStore {
    this.#line.file.catalog.addStore(name)
    if (this.upgrading === undefined) throw new DOMException('nothing is renewed', 'InvalidStateError')
    return this.upgrading.objectStore(name)
  }

  deleteObjectStore(name: string): void {
    this.#line.file.removeStore(name)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#line.leave()
  }

  /** The transaction that makes or renews the database. */
  upgrading: IDBTransaction | undefined
}

/** https://www.w3.org/TR/IndexedDB/#factory-interface, with a SQLite file for each database. */
export class IDBFactory {
  readonly #pathOf: (name: string) => string
  readonly #lines = new Map<string, Line>()

  constructor(pathOf: (name: string) => string) {
    this.#pathOf = pathOf
  }

  open(name: string, version?: number): IDBOpenDBRequest {
    const request = new IDBOpenDBRequest()
    setImmediate(() => {
      try {
        this.#open(name, version, request)
      } catch (error) {
        request.fail(asDomException(error))
      }
    })
    return request
  }

  /** How many transactions were ever written to an open database; undefined for one that is not open. */
  commits(name: string): number | undefined {
    return this.#lines.get(name)?.file.commits
  }

  /** What is written to the database during `work` comes to the disk as one, when it has ended: all of it or nothing. */
  async together<T>(name: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(name)
    return line === undefined ? work() : line.together(work)
  }

  /** Resolves when all that the database reported as done is on the disk. */
  async onDisk(name: string): Promise<void> {
    await this.#lines.get(name)?.onDisk()
  }

  /** Closes every database whose name begins so: its file may be moved when this returns. */
  shut(prefix: string): void {
    for (const [name, line] of this.#lines) if (name.startsWith(prefix)) line.shut()
  }

  #open(name: string, version: number | undefined, request: IDBOpenDBRequest): void {
    const line = this.#lines.get(name) ?? new Line(this.#pathOf(name), () => this.#lines.delete(name))
    this.#lines.set(name, line)
    const database = new IDBDatabase(name, line)
    const old = line.file.version
    const wanted = version ?? (old === 0 ? 1 : old)
    if (wanted < old) {
      database.close()
      throw new DOMException(`it has version ${old}, newer than ${wanted}`, 'VersionError')
    }
    if (wanted === old) {
      request.succeed(database)
      return
    }
    line.begin(database, 'versionchange', {
      begin(transaction) {
        line.file.setVersion(wanted)
        database.upgrading = transaction
        request.upgrade(database, transaction, old, wanted)
      },
      end(aborted) {
        database.upgrading = undefined
        request.transaction = null
        if (aborted === undefined) request.succeed(database)
        else {
          database.close()
          request.fail(aborted ?? new DOMException('the upgrade was aborted', 'AbortError'))
        }
      },
    })
  }
}
