import { z } from 'zod'
import type { Log } from '../../core/define.ts'
import { CallError, type BotApi } from './bot-api.ts'

export interface SilenceDeps {
  readonly api: BotApi
  readonly log: Log
  readonly now: () => number
  readonly quietMs: number
}

const waitingUpdates = z.object({ pending_update_count: z.int() })

/** Tells a quiet hour from a connection that has gone deaf: polls that bring nothing while updates wait. */
export class Silence {
  readonly #deps: SilenceDeps
  #since: number

  constructor(deps: SilenceDeps) {
    this.#deps = deps
    this.#since = deps.now()
  }

  broken(): void {
    this.#since = this.#deps.now()
  }

  /** How many updates wait, where it has been quiet for long; undefined: it has not, or nobody knows. */
  async check(signal: AbortSignal): Promise<number | undefined> {
    const { now, quietMs } = this.#deps
    // The clock may have been set back.
    this.#since = Math.min(this.#since, now())
    if (now() - this.#since < quietMs) return undefined
    this.broken()
    return this.#waiting(signal)
  }

  /** Do some wait even now? */
  async stillWait(signal: AbortSignal): Promise<boolean> {
    return ((await this.#waiting(signal)) ?? 0) > 0
  }

  async #waiting(signal: AbortSignal): Promise<number | undefined> {
    const { api, log } = this.#deps
    try {
      const info = await api.call((bot, stop) => bot.getWebhookInfo(stop), signal)
      return waitingUpdates.safeParse(info).data?.pending_update_count
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      // The polls themselves tell soon whether there is trouble.
      log.debug({ reason: error.message }, 'nobody says how many updates wait')
      return undefined
    }
  }
}
