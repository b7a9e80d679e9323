import { z } from 'zod'
import type { Memory } from '../../../core/transport.ts'
import type { AccountData } from './account-data.ts'
import { mark } from './wire.ts'

const memoryKey = 'crypto'
const accountKey = 'dev.ductor.crypto'

const seenSchema = z.object({
  user: z.string(),
  device: z.string(),
  ed25519: z.string(),
  commits: z.number(),
})

/** How far the keys of a device were written when somebody looked. */
export type Seen = z.infer<typeof seenSchema>

/**
 * Remembers, outside the store of the keys, how far that store was written. The number only grows, so a store that is
 * behind is an older copy: to go on with it would use keys twice, and ruin the device. Ductor's own store knows it after
 * each sync, the account on the homeserver after each start (which tells a whole home that was copied back).
 */
export class Witness {
  readonly #memory: Memory
  readonly #data: AccountData

  constructor(memory: Memory, data: AccountData) {
    this.#memory = memory
    this.#data = data
  }

  recall(): Seen | undefined {
    const text = this.#memory.recall(memoryKey)
    return text === undefined ? undefined : seenSchema.safeParse(JSON.parse(text)).data
  }

  /** To be remembered together with what depends on it. */
  pair(seen: Seen): Readonly<Record<string, string>> {
    return { [memoryKey]: JSON.stringify(seen) }
  }

  /** The least number of writes that the store of this device must have. */
  async least(device: string, signal: AbortSignal): Promise<number> {
    const own = this.recall()
    const theirs = await this.#data.get(accountKey, mark, signal)
    return Math.max(own?.device === device ? own.commits : 0, theirs?.device === device ? theirs.commits : 0)
  }

  async tellServer({ device, commits }: Seen, signal: AbortSignal): Promise<void> {
    await this.#data.set(accountKey, { device, commits }, signal)
  }
}
