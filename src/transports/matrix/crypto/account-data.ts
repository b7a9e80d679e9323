import type { z } from 'zod'
import { MatrixError, path, type MatrixClient } from '../client.ts'
import { done } from '../wire.ts'

/** What the homeserver keeps for the bot's account. */
export class AccountData {
  readonly #client: () => MatrixClient
  readonly #user: string

  constructor(client: () => MatrixClient, user: string) {
    this.#client = client
    this.#user = user
  }

  /** Undefined where there is nothing, or nothing of this shape. */
  async get<T>(type: string, shape: z.ZodType<T>, signal: AbortSignal): Promise<T | undefined> {
    try {
      const call = { method: 'GET', path: path`/user/${this.#user}/account_data/${type}` } as const
      return shape.safeParse(await this.#client().call(call, done, signal)).data
    } catch (error) {
      if (error instanceof MatrixError && error.status === 404) return undefined
      throw error
    }
  }

  async set(type: string, content: unknown, signal: AbortSignal): Promise<void> {
    const where = path`/user/${this.#user}/account_data/${type}`
    await this.#client().call({ method: 'PUT', path: where, body: content }, done, signal)
  }
}
