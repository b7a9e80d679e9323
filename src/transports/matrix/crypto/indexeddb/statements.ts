import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'

/** The statements of one SQLite file, each prepared once. They throw what SQLite throws. */
export class Statements {
  readonly #sql: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(sql: DatabaseSync) {
    this.#sql = sql
  }

  run(sql: string, ...values: readonly SQLInputValue[]): void {
    this.#statement(sql).run(...values)
  }

  get(sql: string, ...values: readonly SQLInputValue[]): Record<string, SQLOutputValue> | undefined {
    return this.#statement(sql).get(...values)
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Record<string, SQLOutputValue>[] {
    return this.#statement(sql).all(...values)
  }

  /** Lets go of them: the file is about to be closed. */
  clear(): void {
    this.#prepared.clear()
  }

  #statement(sql: string): StatementSync {
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    const statement = this.#sql.prepare(sql)
    this.#prepared.set(sql, statement)
    return statement
  }
}

export function bytesOf(value: SQLOutputValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new TypeError('the store holds something that is no bytes')
}
