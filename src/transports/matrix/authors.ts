import { MatrixError, path, type MatrixClient } from './client.ts'
import { singleEvent } from './wire.ts'

/** Enough for the messages that people still answer; older ones are asked for again. */
const most = 5_000

/** Who wrote which event: answers, edits and reactions are judged by what they refer to. */
export class Authors {
  readonly #client: MatrixClient
  readonly #known = new Map<string, string>()

  constructor(client: MatrixClient) {
    this.#client = client
  }

  learn(room: string, event: string, sender: string): void {
    this.#known.set(key(room, event), sender)
    if (this.#known.size <= most) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }

  /** Undefined: there is no such event, or it is hidden from the bot. Throws `NoAnswer` and passing errors. */
  async of(room: string, event: string, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#known.get(key(room, event))
    return known ?? (await this.look(room, event, signal))?.sender
  }

  /** The event itself, as the homeserver has it. */
  async look(
    room: string,
    event: string,
    signal: AbortSignal,
  ): Promise<{ readonly sender: string; readonly content: Readonly<Record<string, unknown>> } | undefined> {
    try {
      const call = { method: 'GET', path: path`/rooms/${room}/event/${event}` } as const
      const found = await this.#client.call(call, singleEvent, signal)
      this.learn(room, event, found.sender)
      return found
    } catch (error) {
      if (error instanceof MatrixError && !error.passing && !error.deadToken) return undefined
      throw error
    }
  }
}

function key(room: string, event: string): string {
  return `${room} ${event}`
}
