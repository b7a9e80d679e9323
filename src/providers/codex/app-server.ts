import type { z } from 'zod'
import type { Log } from '../../core/define.ts'
import type { CliProcess, Exit } from '../cli-process.ts'
import { parseLine, replies, unread, type Incoming, type RequestId } from './wire.ts'

const requestMs = 60_000

/**
 * What came of a request. `refused`: the server said no, in its own words. `lost`: there is no answer and will be none,
 * for the process ended or is deaf.
 */
export type Reply<T> =
  | { readonly how: 'done'; readonly result: T }
  | { readonly how: 'refused'; readonly words: string }
  | { readonly how: 'lost' }

/** Whom the server's own messages are for. */
export interface Listener {
  hear(message: Extract<Incoming, { kind: 'request' | 'notification' }>): void
  /** A line that could not be read. `bytes`: how long it was, where it was too long. */
  nonsense(bytes?: number): void
}

type Settle = (reply: Reply<unknown>) => void

/** One `codex app-server` process, and JSON-RPC with it. */
export class AppServer {
  /** Resolves when it has ended and all that it wrote was heard. */
  readonly exit: Promise<Exit>
  readonly #process: CliProcess
  readonly #log: Log
  readonly #killMs: number
  readonly #waiting = new Map<RequestId, Settle>()
  #lastId = 0

  constructor(process: CliProcess, listener: Listener, log: Log, killMs: number) {
    this.#process = process
    this.#log = log
    this.#killMs = killMs
    this.exit = this.#listen(listener)
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get ended(): boolean {
    return this.#process.ended
  }

  get stderr(): string {
    return this.#process.stderr
  }

  /** Greets it. False: it does not speak this protocol, or not within `limitMs`. */
  async begin(limitMs: number): Promise<boolean> {
    const reply = await this.request(
      'initialize',
      {
        clientInfo: { name: 'ductor', title: 'ductor', version: '1' },
        // Experimental is what the end of left-over terminals and the plan mode need.
        capabilities: { experimentalApi: true, requestAttestation: false, optOutNotificationMethods: unread },
      },
      replies.anything,
      limitMs,
    )
    if (reply.how === 'done') this.#process.send({ method: 'initialized' })
    return reply.how === 'done'
  }

  async request<T>(
    method: string,
    params: object,
    shape: z.ZodType<T>,
    limitMs = requestMs,
  ): Promise<Reply<T>> {
    if (this.#process.ended) return { how: 'lost' }
    const id = (this.#lastId += 1)
    const { promise, resolve } = Promise.withResolvers<Reply<unknown>>()
    this.#waiting.set(id, resolve)
    const timer = setTimeout(() => resolve({ how: 'lost' }), limitMs)
    this.#process.send({ id, method, params })
    const reply = await promise
    clearTimeout(timer)
    this.#waiting.delete(id)
    if (reply.how !== 'done') return reply
    const parsed = shape.safeParse(reply.result)
    if (parsed.success) return { how: 'done', result: parsed.data }
    this.#log.warn({ method, err: parsed.error }, 'codex answered in a shape that is not known')
    return { how: 'refused', words: `its answer to ${method} has a shape that is not known` }
  }

  respond(id: RequestId, result: object): void {
    this.#process.send({ id, result })
  }

  /** For what nobody here can do. */
  reject(id: RequestId): void {
    this.#process.send({ id, error: { code: -32601, message: 'not supported' } })
  }

  async close(): Promise<void> {
    await this.#process.kill(this.#killMs)
  }

  async #listen(listener: Listener): Promise<Exit> {
    try {
      for await (const line of this.#process.lines()) {
        const message = line.type === 'line' ? parseLine(line.text) : undefined
        if (message === undefined) listener.nonsense(line.type === 'line' ? undefined : line.bytes)
        else if (message.kind === 'result') this.#settle(message.id, { how: 'done', result: message.result })
        else if (message.kind === 'error')
          this.#settle(message.id, { how: 'refused', words: message.message })
        else listener.hear(message)
      }
    } catch (error) {
      // Its pipe broke; the exit tells the rest.
      this.#log.debug({ err: error }, 'the output of codex broke off')
    }
    const exit = await this.#process.exit
    for (const settle of this.#waiting.values()) settle({ how: 'lost' })
    return exit
  }

  #settle(id: RequestId, reply: Reply<unknown>): void {
    this.#waiting.get(id)?.(reply)
  }
}
