import { refusedResume } from './failure.ts'
import type { Result } from './wire.ts'

/** Claude counts the US dollars of the whole session: those of one result are the difference. */
export class SessionCost {
  #total: number | undefined

  /** `before`: what the session had cost when this process began; undefined where nobody knows. */
  constructor(before: number | undefined) {
    this.#total = before
  }

  get total(): number | undefined {
    return this.#total
  }

  /** What this result has cost; undefined where the earlier sum is not known. */
  of(result: Result): number | undefined {
    const { total_cost_usd: total } = result
    if (typeof total !== 'number' || refusedResume(result)) return undefined
    const before = this.#total
    this.#total = total
    return before !== undefined && total >= before ? total - before : undefined
  }
}
