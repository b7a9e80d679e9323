import { z } from 'zod'
import type { Memory } from '../../core/transport.ts'
import type { Budget } from './budget.ts'
import { MatrixError, path, type MatrixClient } from './client.ts'
import { keycap } from './keycaps.ts'
import { transactionId } from './transaction-id.ts'
import * as wire from './wire.ts'

/** Where the reactions of ours on a message are remembered, from 1 upwards, as a JSON list of event ids. */
export function wornKey(ref: string): string {
  return `keycaps:${ref}`
}

interface ReactionDeps {
  readonly client: MatrixClient
  readonly memory: Memory
  readonly budget: Budget
}

/** Puts keycaps on a message of ours, or takes them off, until it carries those from 1 to `want`, in order. */
export async function wearKeycaps(
  { room, ref, want }: { readonly room: string; readonly ref: string; readonly want: number },
  { client, memory, budget }: ReactionDeps,
  signal: AbortSignal,
): Promise<void> {
  const key = wornKey(ref)
  let worn = z.array(z.string()).parse(JSON.parse(memory.recall(key) ?? '[]'))
  while (worn.length < want) {
    const number = worn.length + 1
    worn = [...worn, await budget.spend('looks', () => react(room, ref, number, client, signal))]
    memory.remember({ [key]: JSON.stringify(worn) })
  }
  while (worn.length > want) {
    const last = worn.at(-1) ?? ''
    await budget.spend('looks', () => takeBack(room, last, client, signal))
    worn = worn.slice(0, -1)
    memory.remember({ [key]: JSON.stringify(worn) })
  }
  if (want === 0) memory.remember({ [key]: null })
}

async function react(
  room: string,
  ref: string,
  number: number,
  client: MatrixClient,
  signal: AbortSignal,
): Promise<string> {
  const call = {
    method: 'PUT',
    path: path`/rooms/${room}/send/m.reaction/${transactionId(`keycap ${ref} ${number}`)}`,
    body: { 'm.relates_to': { rel_type: 'm.annotation', event_id: ref, key: keycap(number) } },
  } as const
  try {
    return (await client.call(call, wire.sentEvent, signal)).event_id
  } catch (error) {
    // Put there by an earlier log-in of ours, which could not write it down any more.
    if (error instanceof MatrixError && error.code === 'M_DUPLICATE_ANNOTATION') return ''
    throw error
  }
}

async function takeBack(
  room: string,
  event: string,
  client: MatrixClient,
  signal: AbortSignal,
): Promise<void> {
  if (event === '') return
  const txn = transactionId(`without keycap ${event}`)
  const call = { method: 'PUT', path: path`/rooms/${room}/redact/${event}/${txn}`, body: {} } as const
  await client.call(call, wire.done, signal)
}
