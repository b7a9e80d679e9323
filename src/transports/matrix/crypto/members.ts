import { z } from 'zod'
import { MatrixError, path, type MatrixClient } from '../client.ts'
import { membershipOf } from '../rooms.ts'
import * as wire from '../wire.ts'
import type { JoinedSection, RoomEvent } from '../wire.ts'
import { encryptionState, historyVisibility } from './wire.ts'

/** What decides who gets the keys of a room. */
export interface Audience {
  readonly users: readonly string[]
  readonly rotationMs: number | undefined
  readonly rotationMessages: number | undefined
}

interface Known {
  readonly members: Map<string, string>
  readonly invitedToo: boolean
  readonly rotationMs: number | undefined
  readonly rotationMessages: number | undefined
}

/** Who is in the encrypted rooms: asked once for each before the first message there, then kept as syncs tell. */
export class Members {
  readonly #client: () => MatrixClient
  readonly #known = new Map<string, Known>()
  /** Rooms that are asked about, as long as no sync has told something new of them. */
  readonly #asking = new Set<string>()

  constructor(client: () => MatrixClient) {
    this.#client = client
  }

  async audience(room: string, signal: AbortSignal): Promise<Audience> {
    const { members, invitedToo, ...rotation } = this.#known.get(room) ?? (await this.#ask(room, signal))
    const users = [...members].flatMap(([user, membership]) =>
      membership === 'join' || (membership === 'invite' && invitedToo) ? [user] : [],
    )
    return { users, ...rotation }
  }

  /** Takes in what a sync tells. Resolves with who may get keys there from now on. */
  meet(room: string, section: JoinedSection): readonly string[] {
    const events = [...(section.state?.events ?? []), ...(section.timeline?.events ?? [])]
    // Who came and went in the gap is not in it; whether the rules changed is asked anew as well.
    const rules = ['m.room.encryption', 'm.room.history_visibility']
    if (section.timeline?.limited === true || events.some(({ type }) => rules.includes(type))) {
      this.#known.delete(room)
    }
    this.#asking.delete(room)
    const known = this.#known.get(room)?.members
    const come: string[] = []
    for (const event of events) {
      const { type, state_key: user } = event
      const membership = membershipOf(event)
      if (type !== 'm.room.member' || user === undefined || membership === undefined) continue
      known?.set(user, membership)
      if (membership === 'join' || membership === 'invite') come.push(user)
    }
    return come
  }

  /** What a sync tells meanwhile may be newer than the answer: then it is asked again. */
  async #ask(room: string, signal: AbortSignal): Promise<Known> {
    for (;;) {
      this.#asking.add(room)
      const known = await this.#askOnce(room, signal)
      if (!this.#asking.delete(room)) continue
      this.#known.set(room, known)
      return known
    }
  }

  async #askOnce(room: string, signal: AbortSignal): Promise<Known> {
    const call = { method: 'GET', path: path`/rooms/${room}/members` } as const
    const { chunk } = await this.#client().call(call, wire.members, signal)
    const encryption = await this.#state(room, 'm.room.encryption', encryptionState, signal)
    const history = await this.#state(room, 'm.room.history_visibility', historyVisibility, signal)
    return {
      members: new Map(chunk.flatMap((event) => entryOf(event))),
      invitedToo: history?.history_visibility !== 'joined',
      rotationMs: encryption?.rotation_period_ms,
      rotationMessages: encryption?.rotation_period_msgs,
    }
  }

  async #state<T>(
    room: string,
    type: string,
    shape: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    try {
      const call = { method: 'GET', path: path`/rooms/${room}/state/${type}/` } as const
      return shape.safeParse(await this.#client().call(call, wire.done, signal)).data
    } catch (error) {
      if (error instanceof MatrixError && error.status === 404) return undefined
      throw error
    }
  }
}

function entryOf(event: RoomEvent): [user: string, membership: string][] {
  const membership = membershipOf(event)
  return event.state_key === undefined || membership === undefined ? [] : [[event.state_key, membership]]
}
