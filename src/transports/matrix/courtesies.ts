import type { Log } from '../../core/define.ts'
import type { Place } from '../../core/message.ts'
import type { Mark } from '../../core/transport.ts'
import { path, type Call } from './client.ts'
import type { Session } from './session.ts'
import { done } from './wire.ts'

export interface CourtesiesDeps {
  readonly session: () => Session | undefined
  /** Does each thread have its own conversation? */
  readonly threads: boolean
  readonly log: Log
}

/** What shows people that somebody is there; nobody misses it when it fails. */
export class Courtesies {
  readonly #deps: CourtesiesDeps

  constructor(deps: CourtesiesDeps) {
    this.#deps = deps
  }

  async typing({ chat }: Place, on: boolean): Promise<void> {
    const self = this.#deps.session()?.self.userId ?? ''
    const body = on ? { typing: true, timeout: 30_000 } : { typing: false }
    await this.#call({ method: 'PUT', path: path`/rooms/${chat}/typing/${self}`, body })
  }

  async mark({ chat, thread }: Place, messageId: string, mark: Mark): Promise<void> {
    if (mark !== 'seen') return
    const body = this.#deps.threads ? { thread_id: thread ?? 'main' } : {}
    await this.#call({ method: 'POST', path: path`/rooms/${chat}/receipt/m.read/${messageId}`, body })
  }

  async #call(call: Call): Promise<void> {
    try {
      await this.#deps
        .session()
        ?.client.call({ ...call, timeoutMs: 10_000 }, done, new AbortController().signal)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#deps.log.debug({ reason }, 'a courtesy on Matrix failed')
    }
  }
}
