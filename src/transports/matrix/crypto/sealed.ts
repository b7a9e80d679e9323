import { z } from 'zod'
import type { Memory } from '../../../core/transport.ts'
import { roomEvent, type RoomEvent } from '../wire.ts'

const entrySchema = z.object({
  event: roomEvent,
  /** Milliseconds since 1970: when it was found that its key is not there. */
  at: z.number(),
  reason: z.string(),
  /** The room was told of it. */
  told: z.boolean().optional(),
})

export type SealedEntry = z.infer<typeof entrySchema>

const prefix = 'sealed:'
const toldPrefix = 'sealed-told:'

const minute = 60_000
/** Most keys come within seconds; those that do not come in this time need a person. */
const patienceMs = 10 * minute
const oncePerMs = 60 * minute
const keptForMs = 7 * 24 * 60 * minute
const mostInRoom = 200

/** Messages whose keys have not come: kept until they come, and named in the room when they stay away. */
export class SealedEvents {
  readonly #memory: Memory

  constructor(memory: Memory) {
    this.#memory = memory
  }

  /** What to remember so that the event is not forgotten. Nothing where the room has too many of them. */
  keep(room: string, event: RoomEvent, reason: string, now: number): Readonly<Record<string, string>> {
    if (this.in(room).length >= mostInRoom) return {}
    return { [keyOf(room, event.event_id)]: JSON.stringify({ event, at: now, reason } satisfies SealedEntry) }
  }

  /** In the order in which they were said. */
  in(room: string): readonly SealedEntry[] {
    const entries = this.#memory.list(`${prefix}${room} `).flatMap(([, value]) => entryOf(value))
    return entries.toSorted((a, b) => a.event.origin_server_ts - b.event.origin_server_ts || a.at - b.at)
  }

  rooms(): ReadonlySet<string> {
    return new Set(this.#memory.list(prefix).map(([key]) => roomOf(key)))
  }

  /** `event`: its id. */
  forget(room: string, event: string): Readonly<Record<string, null>> {
    return { [keyOf(room, event)]: null }
  }

  /** Rooms that have to be told now, and what to remember with it; and what was kept long enough. */
  overdue(now: number): {
    readonly rooms: readonly string[]
    readonly changes: Record<string, string | null>
  } {
    const changes: Record<string, string | null> = {}
    const rooms = new Set<string>()
    for (const [key, value] of this.#memory.list(prefix)) {
      const room = roomOf(key)
      const [entry] = entryOf(value)
      if (entry === undefined || now - entry.at > keptForMs) changes[key] = null
      else if (entry.told !== true && now - entry.at >= patienceMs && this.#mayTell(room, now)) {
        rooms.add(room)
        changes[key] = JSON.stringify({ ...entry, told: true } satisfies SealedEntry)
      }
    }
    for (const room of rooms) changes[`${toldPrefix}${room}`] = String(now)
    return { rooms: [...rooms], changes }
  }

  #mayTell(room: string, now: number): boolean {
    const last = this.#memory.recall(`${toldPrefix}${room}`)
    return last === undefined || now - Number(last) >= oncePerMs
  }
}

function keyOf(room: string, event: string): string {
  return `${prefix}${room} ${event}`
}

function roomOf(key: string): string {
  return key.slice(prefix.length, key.indexOf(' '))
}

function entryOf(value: string): SealedEntry[] {
  const entry = entrySchema.safeParse(JSON.parse(value)).data
  return entry === undefined ? [] : [entry]
}
