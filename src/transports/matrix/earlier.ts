import type { MessageRef } from '../../core/transport.ts'
import { path, type MatrixClient } from './client.ts'
import { markKey } from './send.ts'
import { transactionId } from './transaction-id.ts'
import { messagesPage } from './wire.ts'

const anHour = 3_600_000
/** Homeservers know a transaction id for a day at least; what is older may be done a second time. */
const rememberedMs = 20 * anHour
/** A post whose fate is unknown was begun before the last sign of life, but hardly longer before. */
const marginMs = 2 * 24 * anHour
const mostPages = 30
const mostTries = 1_000

/** Up to when an earlier run certainly lived, and as which device. */
export interface LastLife {
  readonly device: string | undefined
  /** Milliseconds since 1970. */
  readonly at: number
}

/**
 * Finds posts that were made before the homeserver forgot their transaction ids: after a day, or as another device.
 * They are known by the mark that they carry.
 */
export class EarlierPosts {
  readonly #now: () => number
  /** When each post that is not known to have arrived was first tried by this process. */
  readonly #tries = new Map<string, number>()
  /** How far back to look for what an earlier run has posted; undefined: the homeserver remembers it by itself. */
  #before: number | undefined
  readonly #found = new Map<string, ReadonlyMap<string, MessageRef>>()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** A log-in begins. */
  begin(device: string, last: LastLife | undefined): void {
    if (last === undefined) return
    const other = last.device !== undefined && last.device !== device
    if (other || this.#now() - last.at > rememberedMs) this.#before = last.at - marginMs
    if (other) this.#found.clear()
  }

  /** The event that this post has become already, where the homeserver itself would not tell. */
  async find(
    room: string,
    key: string,
    self: string,
    client: MatrixClient,
    signal: AbortSignal,
  ): Promise<MessageRef | undefined> {
    const first = this.#tries.get(key)
    if (first !== undefined && this.#now() - first > rememberedMs) {
      return (await posted(room, first - anHour, self, client, signal)).get(transactionId(key))
    }
    if (first === undefined) this.#try(key)
    if (this.#before === undefined) return undefined
    const known = this.#found.get(room) ?? (await posted(room, this.#before, self, client, signal))
    this.#found.set(room, known)
    return known.get(transactionId(key))
  }

  arrived(key: string): void {
    this.#tries.delete(key)
  }

  #try(key: string): void {
    this.#tries.set(key, this.#now())
    const [oldest] = this.#tries.keys()
    if (this.#tries.size > mostTries && oldest !== undefined) this.#tries.delete(oldest)
  }
}

/** What the bot has said in the room since then, by the marks of its events. */
async function posted(
  room: string,
  since: number,
  self: string,
  client: MatrixClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, MessageRef>> {
  const found = new Map<string, MessageRef>()
  const filter = JSON.stringify({ senders: [self], lazy_load_members: true })
  let from: string | undefined
  for (let page = 0; page < mostPages; page++) {
    const query = { dir: 'b', limit: '100', filter, from }
    const call = { method: 'GET', path: path`/rooms/${room}/messages`, query } as const
    const { chunk, end } = await client.call(call, messagesPage, signal)
    for (const { event_id: id, sender, content } of chunk) {
      const mark = content[markKey]
      if (sender === self && typeof mark === 'string') found.set(mark, id)
    }
    const oldest = chunk.at(-1)
    if (end === undefined || oldest === undefined || oldest.origin_server_ts < since) break
    from = end
  }
  return found
}
