import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../../core/define.ts'
import type { TransportReport } from '../../core/transport.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { MatrixError, NoAnswer } from './client.ts'

const longestPauseMs = 30_000

/** How the transport fares: what it reports, and how long it rests after a failure. */
export class Condition {
  readonly #tell: (report: TransportReport) => void
  readonly #log: Log
  #account: string
  #reported: TransportReport | undefined
  /** Since the homeserver last answered as it should. */
  #failures = 0

  constructor(account: string, tell: (report: TransportReport) => void, log: Log) {
    this.#account = account
    this.#tell = tell
    this.#log = log
  }

  /** As which account the homeserver knows the bot. */
  signedIn(account: string): void {
    this.#account = account
  }

  answered(): void {
    this.#failures = 0
  }

  report(state: TransportReport['state'], detail?: string): void {
    const report = { state, account: this.#account, ...(detail === undefined ? {} : { detail }) }
    // "Connecting" is for those who never heard of us; who failed has failed until it is connected.
    if (state === 'connecting' && this.#reported?.state === 'failed') return
    if (isDeepStrictEqual(report, this.#reported)) return
    this.#reported = report
    this.#tell(report)
  }

  /** Waits after a failure, longer each time, and says so. Throws what is no failure of the network. */
  async rest(error: unknown, signal: AbortSignal): Promise<void> {
    if (!(error instanceof MatrixError || error instanceof NoAnswer)) throw error
    this.#failures += 1
    const asked = error instanceof MatrixError ? error.retryAfterMs : undefined
    const ms = asked ?? backoffMs(this.#failures, { firstMs: 500, longestMs: longestPauseMs })
    this.#log.warn({ reason: error.message, againInMs: ms }, 'Matrix is not reachable')
    this.report('failed', error.message)
    try {
      await sleep(ms, undefined, { signal })
    } catch {
      // The pause was cut short: the loop around it looks why.
    }
  }
}
