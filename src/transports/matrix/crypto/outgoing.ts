import { z } from 'zod'
import type { Memory, MessageRef } from '../../../core/transport.ts'
import { NoAnswer, type MatrixClient } from '../client.ts'
import { putEvent, type RoomEventToSend } from '../send.ts'
import { transactionId } from '../transaction-id.ts'
import type { Encryption } from './encryption.ts'

const keptSchema = z.object({
  /** Milliseconds since 1970. */
  at: z.number(),
  /** As it goes over the wire; absent when it has arrived. */
  content: z.record(z.string(), z.unknown()).optional(),
  event: z.string().optional(),
})

type Kept = z.infer<typeof keptSchema>

/** Reactions are never encrypted: the homeserver counts them. */
const inClear = new Set(['m.reaction'])

const prefix = 'sent:'
const keptForMs = 3 * 24 * 3_600_000
const mostKept = 20_000

export interface OutgoingDeps {
  readonly memory: Memory
  readonly isEncrypted: (room: string) => boolean
  readonly encryption: () => Encryption
}

/**
 * Sends events into rooms, encrypted where the room is. An encrypted event is stored before it is sent: another attempt,
 * also after a crash, sends the same one under the same transaction id, and the homeserver drops the double.
 */
export class Outgoing {
  readonly #deps: OutgoingDeps
  /** When each was kept, the oldest first. */
  readonly #sent: Map<string, number>

  constructor(deps: OutgoingDeps) {
    this.#deps = deps
    const known = deps.memory.list(prefix).map(([key, value]) => {
      const kept = keptSchema.safeParse(JSON.parse(value)).data
      return [key, kept?.at ?? 0] as const
    })
    this.#sent = new Map(known.toSorted(([, a], [, b]) => a - b))
  }

  /** Resolves with the event's id. Throws what the client throws. */
  async send(event: RoomEventToSend, client: MatrixClient, signal: AbortSignal): Promise<MessageRef> {
    const { room, key } = event
    const id = transactionId(key)
    const kept = this.#kept(id)
    if (kept?.event !== undefined) return kept.event
    if (kept?.content === undefined && (inClear.has(event.type) || !this.#deps.isEncrypted(room))) {
      return putEvent(client, event, signal)
    }
    const content = kept?.content ?? (await this.#seal(event, id, signal))
    const ref = await putEvent(client, { room, type: 'm.room.encrypted', content, key }, signal)
    try {
      this.#keep(id, { at: Date.now(), event: ref })
    } catch {
      // A full disk: it is sent once more if somebody asks, and dropped by the homeserver.
    }
    return ref
  }

  async #seal(
    { room, type, content }: RoomEventToSend,
    id: string,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const sealed = await this.#deps.encryption().seal(room, type, content, signal).catch(waitingForDisk)
    try {
      this.#keep(id, { at: Date.now(), content: sealed })
    } catch (error) {
      // It waits until the disk takes it: what is not stored is not sent.
      throw new NoAnswer('an encrypted message cannot be stored, and is not sent', { cause: error })
    }
    return sealed
  }

  #kept(id: string): Kept | undefined {
    const text = this.#deps.memory.recall(prefix + id)
    return text === undefined ? undefined : keptSchema.safeParse(JSON.parse(text)).data
  }

  #keep(id: string, kept: Kept): void {
    const { memory, encryption } = this.#deps
    const old = this.#outdated(kept.at)
    const forgotten = Object.fromEntries(old.map((key) => [key, null]))
    memory.remember({ ...forgotten, ...encryption().mark, [prefix + id]: JSON.stringify(kept) })
    for (const key of old) this.#sent.delete(key)
    this.#sent.set(prefix + id, kept.at)
  }

  /** Nobody asks for them again. */
  #outdated(now: number): readonly string[] {
    const old: string[] = []
    for (const [key, at] of this.#sent) {
      if (now - at < keptForMs && this.#sent.size - old.length < mostKept) break
      old.push(key)
    }
    return old
  }
}

/** A disk that takes nothing is a reason to wait, and not to give the message up. */
function waitingForDisk(error: unknown): never {
  const reason = error instanceof Error ? error.message : String(error)
  if (!/disk is full|disk I\/O error|readonly database/i.test(reason)) throw error
  throw new NoAnswer('the encryption cannot store its keys', { cause: error })
}
