import { z } from 'zod'
import type { Memory } from '../../../core/transport.ts'

const unfinishedSchema = z.object({
  user: z.string(),
  /** The id of the event that asked for it, or the transaction id between two devices. */
  flow: z.string(),
  /** Absent: it goes from device to device. */
  room: z.string().optional(),
  device: z.string().optional(),
})

/** A verification that was begun and has not ended. */
export type UnfinishedFlow = z.infer<typeof unfinishedSchema>

const prefix = 'verifying:'
const mostKnown = 100
/** Of an id of an event; transaction ids that are longer are no honest ones. */
const longestFlow = 255

/** The verifications that are under way. The machine forgets them with the process; somebody waits for their end. */
export class Unfinished {
  readonly #memory: Memory
  readonly #known = new Map<string, UnfinishedFlow>()

  constructor(memory: Memory) {
    this.#memory = memory
    for (const [, value] of memory.list(prefix)) {
      const one = unfinishedSchema.safeParse(JSON.parse(value)).data
      if (one !== undefined) this.#known.set(nameOf(one), one)
    }
  }

  get all(): readonly UnfinishedFlow[] {
    return [...this.#known.values()]
  }

  add(one: UnfinishedFlow): void {
    const name = nameOf(one)
    if (this.#known.has(name) || this.#known.size >= mostKnown || one.flow.length > longestFlow) return
    this.#memory.remember({ [prefix + name]: JSON.stringify(one) })
    this.#known.set(name, one)
  }

  /** Remembers `changes`, and with them that the verification has ended. */
  end(one: UnfinishedFlow, changes: Readonly<Record<string, string>>): void {
    const name = nameOf(one)
    this.#memory.remember({ ...changes, ...(this.#known.has(name) ? { [prefix + name]: null } : {}) })
    this.#known.delete(name)
  }
}

function nameOf({ user, flow }: UnfinishedFlow): string {
  return `${user} ${flow}`
}
