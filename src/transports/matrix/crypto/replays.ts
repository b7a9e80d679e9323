import { createHash } from 'node:crypto'
import type { Memory } from '../../../core/transport.ts'
import type { RoomEvent } from '../wire.ts'

const prefix = 'read:'
const sweptKey = 'read-swept'

const dayMs = 24 * 3_600_000
const keptForMs = 365 * dayMs
const signatureBytes = 64

/**
 * Which encrypted messages were read as which event. Nobody else can encrypt in a person's name, but whoever runs the
 * homeserver can send what they once encrypted again, as another event.
 */
export class Replays {
  readonly #memory: Memory
  readonly #changes: Record<string, string | null>

  /** What is to be remembered is put into `changes`. */
  constructor(memory: Memory, changes: Record<string, string | null>) {
    this.#memory = memory
    this.#changes = changes
  }

  /** Was the same read before, as another event? It is remembered as this one if not. */
  isReplay({ event_id: id, content }: RoomEvent, now: number): boolean {
    const { ciphertext } = content
    if (typeof ciphertext !== 'string') return false
    const key = prefix + nameOf(ciphertext)
    const before = this.#changes[key] ?? this.#memory.recall(key)
    if (before !== undefined) return before.slice(0, before.indexOf(' ')) !== id
    this.#sweep(now)
    this.#changes[key] = `${id} ${now}`
    return false
  }

  #sweep(now: number): void {
    const last = this.#changes[sweptKey] ?? this.#memory.recall(sweptKey)
    if (last !== undefined && now - Number(last) < dayMs) return
    this.#changes[sweptKey] = String(now)
    for (const [key, value] of this.#memory.list(prefix)) {
      if (now - Number(value.slice(value.indexOf(' '))) > keptForMs) this.#changes[key] = null
    }
  }
}

/** By what its key has sealed: base64 can be written in several ways, and so can the signature at its end. */
function nameOf(ciphertext: string): string {
  const bytes = Buffer.from(ciphertext, 'base64')
  return createHash('sha256').update(bytes.subarray(0, -signatureBytes)).digest('base64url').slice(0, 27)
}
