import type { VerificationRequest } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import { MatrixError, NoAnswer } from '../client.ts'
import { pauseAfter } from '../pause.ts'
import type { Encryption } from './encryption.ts'

/** What a step of a verification wants to be sent; undefined: nothing. */
export type Outgoing = ReturnType<VerificationRequest['accept']>

/** Sends an event into a room, encrypted where the room is. Resolves with its id. */
export type SendIntoRoom = (
  room: string,
  type: string,
  content: Readonly<Record<string, unknown>>,
  key: string,
  signal: AbortSignal,
) => Promise<string>

/** A verification, by its two names for it. */
export interface FlowName {
  readonly user: string
  readonly flow: string
}

interface Waiting extends FlowName {
  readonly request: NonNullable<Outgoing>
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface Refused extends FlowName {
  readonly reason: string
}

/** As long as a verification can last: after that nobody waits for its messages. */
const keptForMs = 10 * 60_000
const mostWaiting = 500

/**
 * The messages of verifications on their way out, in order. The machine makes each of them only once: one that could not
 * be sent is kept, and sent again under the same transaction id.
 */
export class VerificationPost {
  readonly #encryption: Encryption
  readonly #send: SendIntoRoom
  readonly #log: Log
  readonly #waiting: Waiting[] = []
  #failures = 0
  #retryAt = 0

  constructor(encryption: Encryption, send: SendIntoRoom, log: Log) {
    this.#encryption = encryption
    this.#send = send
    this.#log = log
  }

  /** Milliseconds until something is to be tried again; undefined: nothing waits. */
  get dueInMs(): number | undefined {
    return this.#waiting.length === 0 ? undefined : Math.max(0, this.#retryAt - Date.now())
  }

  add(name: FlowName, request: Outgoing): void {
    if (request === undefined) return
    if (this.#waiting.length >= mostWaiting) this.#waiting.shift()
    this.#waiting.push({ user: name.user, flow: name.flow, request, at: Date.now() })
  }

  /** Sends what can be sent. Resolves with what was refused for good. Throws only where the log-in has ended. */
  async send(signal: AbortSignal): Promise<readonly Refused[]> {
    const refused: Refused[] = []
    if (Date.now() < this.#retryAt) return refused
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { user, flow, request, at } = next
      if (Date.now() - at > keptForMs) continue
      try {
        await this.#sendOne(request, signal)
        this.#failures = 0
      } catch (error) {
        if (this.#mayPass(error, signal)) this.#waiting.unshift(next)
        if (signal.aborted || !isOfTheNetwork(error)) throw error
        this.#log.warn({ user, reason: error.message }, 'a message of a verification could not be sent')
        if (this.#waiting[0] === next) return refused
        refused.push({ user, flow, reason: error instanceof MatrixError ? error.code : error.name })
      }
    }
    return refused
  }

  #mayPass(error: unknown, signal: AbortSignal): boolean {
    if (signal.aborted || (error instanceof MatrixError && error.deadToken)) return true
    if (!(error instanceof NoAnswer || (error instanceof MatrixError && error.passing))) return false
    this.#failures += 1
    this.#retryAt = Date.now() + pauseAfter(error, this.#failures)
    return true
  }

  async #sendOne(request: NonNullable<Outgoing>, signal: AbortSignal): Promise<void> {
    const { library, requests, olm } = this.#encryption
    if (!(request instanceof library.RoomMessageRequest)) return requests.send(request, signal)
    const { id, type, room_id: room, event_type: kind, txn_id: key } = request
    const content: unknown = JSON.parse(request.body)
    if (typeof content !== 'object' || content === null) return
    const event = await this.#send(room, kind, { ...content }, `verification ${key}`, signal)
    await olm.markRequestAsSent(id, type, JSON.stringify({ event_id: event }))
  }
}

/** False: a fault, or the end of the log-in. */
function isOfTheNetwork(error: unknown): error is MatrixError | NoAnswer {
  return error instanceof NoAnswer || (error instanceof MatrixError && !error.deadToken)
}
