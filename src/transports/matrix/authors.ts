import { MatrixError, path, type MatrixClient } from './client.ts'
import { related, roomEvent, type RoomEvent } from './wire.ts'

interface Known {
  readonly sender: string
  /** The event with which the thread begins that it belongs to. */
  readonly thread: string | undefined
}

/** Enough for the messages that people still answer; older ones are asked for again. */
const most = 5_000

/** Decrypts an event of a room, where it is encrypted and that is possible. */
type Reveal = (room: string, event: RoomEvent, signal: AbortSignal) => Promise<RoomEvent>

/** Who wrote which event: answers, edits and reactions are judged by what they refer to. */
export class Authors {
  readonly #client: MatrixClient
  readonly #reveal: Reveal
  readonly #known = new Map<string, Known>()

  constructor(client: MatrixClient, reveal: Reveal) {
    this.#client = client
    this.#reveal = reveal
  }

  learn(room: string, event: string, sender: string, content: RoomEvent['content']): void {
    this.#known.set(key(room, event), { sender, thread: threadIn(content) })
    if (this.#known.size <= most) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }

  /** Undefined: there is no such event, or it is hidden from the bot. Throws `NoAnswer` and passing errors. */
  async of(room: string, event: string, signal: AbortSignal): Promise<Known | undefined> {
    const known = this.#known.get(key(room, event))
    if (known !== undefined) return known
    const found = await this.look(room, event, signal)
    return found && { sender: found.sender, thread: threadIn(found.content) }
  }

  /** The event itself, as the homeserver has it. */
  async look(
    room: string,
    event: string,
    signal: AbortSignal,
  ): Promise<{ readonly sender: string; readonly content: Readonly<Record<string, unknown>> } | undefined> {
    try {
      const call = { method: 'GET', path: path`/rooms/${room}/event/${event}` } as const
      const found = await this.#client.call(call, roomEvent, signal)
      this.learn(room, event, found.sender, found.content)
      return await this.#reveal(room, found, signal)
    } catch (error) {
      if (error instanceof MatrixError && !error.passing && !error.deadToken) return undefined
      throw error
    }
  }
}

/** The event with which the thread begins that an event with this content belongs to. */
export function threadIn(content: RoomEvent['content']): string | undefined {
  const relation = related.safeParse(content).data?.['m.relates_to']
  return relation?.rel_type === 'm.thread' ? relation.event_id : undefined
}

function key(room: string, event: string): string {
  return `${room} ${event}`
}
