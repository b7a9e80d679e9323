import type { MessageRef } from '../../core/transport.ts'
import { path, type MatrixClient } from './client.ts'
import { transactionId } from './transaction-id.ts'
import * as wire from './wire.ts'

export interface RoomEventToSend {
  readonly room: string
  readonly type: string
  readonly content: Readonly<Record<string, unknown>>
  /** The same at each attempt: what its transaction id is made of. */
  readonly key: string
}

/** What speaks in rooms: one log-in, with its encryption. */
export interface Voice {
  readonly client: MatrixClient
  /** Sends an event, encrypted where the room is. Throws what the client throws. */
  send(event: RoomEventToSend, signal: AbortSignal): Promise<MessageRef>
}

/** What events of ours carry for everybody to see, so that they are found again: a hash of their key. */
export const markKey = 'ductor.transaction'

/**
 * Sends an event as it is. A second one with the same key does nothing, as long as the homeserver remembers. Throws
 * what the client throws.
 */
export async function putEvent(
  client: MatrixClient,
  { room, type, content, key }: RoomEventToSend,
  signal: AbortSignal,
): Promise<MessageRef> {
  const transaction = transactionId(key)
  const call = {
    method: 'PUT',
    path: path`/rooms/${room}/send/${type}/${transaction}`,
    body: { ...content, [markKey]: transaction },
  } as const
  return (await client.call(call, wire.sentEvent, signal)).event_id
}
