import { encodeKey } from './keys.ts'

interface Bound {
  readonly key: unknown
  readonly open: boolean
}

/** https://www.w3.org/TR/IndexedDB/#keyrange */
export class IDBKeyRange {
  readonly lower: Bound | undefined
  readonly upper: Bound | undefined

  private constructor(lower: Bound | undefined, upper: Bound | undefined) {
    this.lower = lower
    this.upper = upper
  }

  static bound(lower: unknown, upper: unknown, lowerOpen = false, upperOpen = false): IDBKeyRange {
    return new IDBKeyRange({ key: lower, open: lowerOpen }, { key: upper, open: upperOpen })
  }

  static lowerBound(lower: unknown, open = false): IDBKeyRange {
    return new IDBKeyRange({ key: lower, open }, undefined)
  }

  static upperBound(upper: unknown, open = false): IDBKeyRange {
    return new IDBKeyRange(undefined, { key: upper, open })
  }
}

/** A condition on `column`, and what to bind to it. */
export interface Condition {
  readonly sql: string
  readonly values: readonly Buffer[]
}

/** `query` as IndexedDB takes it: a key, a range, or nothing for everything. */
export function conditionOf(query: unknown, column: string): Condition {
  if (query === undefined || query === null) return { sql: '', values: [] }
  if (!(query instanceof IDBKeyRange)) return { sql: ` AND ${column} = ?`, values: [encodeKey(query)] }
  const { lower, upper } = query
  const sides = [
    lower === undefined ? [] : [{ sql: ` AND ${column} ${lower.open ? '>' : '>='} ?`, key: lower.key }],
    upper === undefined ? [] : [{ sql: ` AND ${column} ${upper.open ? '<' : '<='} ?`, key: upper.key }],
  ].flat()
  return { sql: sides.map(({ sql }) => sql).join(''), values: sides.map(({ key }) => encodeKey(key)) }
}
