import type { OlmMachine, RequestType } from '@matrix-org/matrix-sdk-crypto-wasm'
import type { Log } from '../../../core/define.ts'
import { MatrixError, NoAnswer, path, type Call, type MatrixClient } from '../client.ts'
import { pauseAfter } from '../pause.ts'
import { done } from '../wire.ts'
import type { CryptoLibrary } from './library.ts'

/** What the machine wants to be sent, in whatever of its shapes. */
interface Request {
  readonly id?: string | undefined
  readonly type: RequestType
  readonly body: string
  readonly event_type?: string
  readonly txn_id?: string
  readonly room_id?: string
  readonly version?: string
}

export interface RequestsDeps {
  readonly library: CryptoLibrary
  readonly olm: OlmMachine
  readonly client: () => MatrixClient
  /** Resolves when all that the machine has stored is on the disk: what is sent must not be undone by a crash. */
  readonly onDisk: () => Promise<void>
  readonly log: Log
}

/** Sends what the machine wants to be sent, and tells it the answers. */
export class Requests {
  readonly #deps: RequestsDeps
  #pumping: Promise<void> | undefined
  #again = false
  #failures = 0
  #retryAt: number | undefined

  constructor(deps: RequestsDeps) {
    this.#deps = deps
  }

  /** Milliseconds until what failed is to be tried again; undefined: nothing did. */
  get dueInMs(): number | undefined {
    return this.#retryAt === undefined ? undefined : Math.max(0, this.#retryAt - Date.now())
  }

  /** Sends one, and resolves when the machine knows the answer. Throws what the client throws. */
  async send(request: Request, signal: AbortSignal): Promise<void> {
    const { olm, client, onDisk } = this.#deps
    await onDisk()
    const answer = await client().call(this.#callOf(request), done, signal)
    if (request.id !== undefined) {
      await olm.markRequestAsSent(request.id, request.type, JSON.stringify(answer))
    }
  }

  /** Sends all that waits, one round at a time. What fails is wanted again by the next round. */
  async pump(signal: AbortSignal): Promise<void> {
    this.#again = true
    while (this.#again) {
      if (this.#pumping === undefined) await this.#begin(signal)
      // Somebody else's: how it went is seen by whether there is still something to do.
      else await Promise.allSettled([this.#pumping])
      signal.throwIfAborted()
    }
  }

  async #begin(signal: AbortSignal): Promise<void> {
    this.#pumping = this.#rounds(signal)
    try {
      await this.#pumping
    } catch (error) {
      this.#again = true
      throw error
    } finally {
      this.#pumping = undefined
    }
  }

  async #rounds(signal: AbortSignal): Promise<void> {
    this.#retryAt = undefined
    while (this.#again) {
      this.#again = false
      for (const request of await this.#deps.olm.outgoingRequests()) {
        if (await this.attempt(request, signal)) this.#again = true
      }
    }
  }

  /** The same, but a failure that may pass is only logged. False: it failed. */
  async attempt(request: Request, signal: AbortSignal): Promise<boolean> {
    try {
      await this.send(request, signal)
      this.#failures = 0
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof MatrixError || error instanceof NoAnswer)) throw error
      if (error instanceof MatrixError && error.deadToken) throw error
      const { library, log } = this.#deps
      const what = library.RequestType[request.type]
      log.warn({ what, reason: error.message }, 'a request of the encryption has to wait')
      this.#failed(error)
      return false
    }
  }

  /** What may pass is tried again before the next sync would bring it about. */
  #failed(error: MatrixError | NoAnswer): void {
    if (error instanceof MatrixError && !error.passing) return
    this.#failures += 1
    this.#retryAt = Date.now() + pauseAfter(error, this.#failures)
  }

  #callOf(request: Request): Call {
    const { RequestType: kind } = this.#deps.library
    const { event_type: type = '', txn_id: id = '', room_id: room = '', version } = request
    const body: unknown = JSON.parse(request.body)
    switch (request.type) {
      case kind.KeysUpload:
        return { method: 'POST', path: path`/keys/upload`, body }
      case kind.KeysQuery:
        return { method: 'POST', path: path`/keys/query`, body }
      case kind.KeysClaim:
        return { method: 'POST', path: path`/keys/claim`, body }
      case kind.SignatureUpload:
        return { method: 'POST', path: path`/keys/signatures/upload`, body }
      case kind.ToDevice:
        return { method: 'PUT', path: path`/sendToDevice/${type}/${id}`, body }
      case kind.RoomMessage:
        return { method: 'PUT', path: path`/rooms/${room}/send/${type}/${id}`, body }
      case kind.KeysBackup:
        return { method: 'PUT', path: path`/room_keys/keys`, query: { version }, body }
    }
  }
}
