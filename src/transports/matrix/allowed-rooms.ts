import type { Policy } from '../../core/authorise.ts'
import type { Log } from '../../core/define.ts'
import type { Memory } from '../../core/transport.ts'
import { MatrixError, NoAnswer, path, type MatrixClient } from './client.ts'
import { resolvedAlias } from './wire.ts'

/** The rooms of `allowed_rooms`, by id. What an alias means is asked of the homeserver, and kept for the next start. */
export class AllowedRooms {
  readonly #ids: readonly string[]
  readonly #aliases: readonly string[]
  readonly #resolved = new Map<string, string>()
  readonly #memory: Memory
  readonly #log: Log

  constructor(listed: readonly string[], memory: Memory, log: Log) {
    this.#ids = listed.filter((entry) => entry.startsWith('!'))
    this.#aliases = listed.filter((entry) => entry.startsWith('#'))
    this.#memory = memory
    this.#log = log
    for (const alias of this.#aliases) {
      const room = memory.recall(`alias:${alias}`)
      if (room !== undefined) this.#resolved.set(alias, room)
    }
  }

  /** An alias that means nothing opens no room: only an empty list means everywhere. */
  get rooms(): Policy['rooms'] {
    if (this.#ids.length + this.#aliases.length === 0) return 'everywhere'
    return new Set([...this.#ids, ...this.#resolved.values()])
  }

  /** Aliases that are no room, as far as we know. */
  get unresolved(): readonly string[] {
    return this.#aliases.filter((alias) => !this.#resolved.has(alias))
  }

  /** Might the room be allowed under an alias that means something else by now, or something at last? */
  mayHold(room: string): boolean {
    return this.#aliases.length > 0 && this.rooms !== 'everywhere' && !this.rooms.has(room)
  }

  /** Asks what the aliases mean now. A homeserver that does not answer changes nothing. */
  async resolve(client: MatrixClient, signal: AbortSignal): Promise<void> {
    for (const alias of this.#aliases) {
      try {
        const call = { method: 'GET', path: path`/directory/room/${alias}` } as const
        const { room_id: room } = await client.call(call, resolvedAlias, signal)
        this.#set(alias, room)
      } catch (error) {
        if (!(error instanceof MatrixError || error instanceof NoAnswer)) throw error
        if (error instanceof MatrixError && error.status === 404) this.#set(alias, undefined)
        this.#log.warn(
          { alias, reason: error.message },
          'an alias in matrix.allowed_rooms cannot be resolved',
        )
      }
    }
  }

  #set(alias: string, room: string | undefined): void {
    if (this.#resolved.get(alias) === room) return
    this.#log.info({ alias, room }, 'what an alias in matrix.allowed_rooms means has changed')
    if (room === undefined) this.#resolved.delete(alias)
    else this.#resolved.set(alias, room)
    try {
      this.#memory.remember({ [`alias:${alias}`]: room ?? null })
    } catch (error) {
      // The next start asks again anyway.
      this.#log.warn({ err: error, alias }, 'what an alias means cannot be remembered')
    }
  }
}
