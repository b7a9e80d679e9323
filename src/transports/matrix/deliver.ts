import { z } from 'zod'
import { DeliveryError, type Memory, type MessageRef, type Operation } from '../../core/transport.ts'
import type { Chores } from './chores.ts'
import { MatrixError, NoAnswer, path, type MatrixClient } from './client.ts'
import type { EarlierPosts } from './earlier.ts'
import { mostKeycaps } from './keycaps.ts'
import { wornKey } from './reactions.ts'
import type { Voice } from './send.ts'
import { transactionId } from './transaction-id.ts'
import * as wire from './wire.ts'

/** What `render` makes of a message. */
const contentSchema = z.object({
  msgtype: z.string(),
  body: z.string(),
  format: z.literal('org.matrix.custom.html').optional(),
  formatted_body: z.string().optional(),
  /** How many of its choices can be pressed; for us alone, and not sent. */
  choices: z.number().optional(),
})

export type MatrixContent = z.infer<typeof contentSchema>

export interface DeliveryDeps {
  readonly voice: Voice
  /** The bot's own user id. */
  readonly self: string
  readonly earlier: EarlierPosts
  readonly memory: Memory
  readonly chores: Chores
  isGroup(room: string): boolean
}

/**
 * Makes one call. The homeserver drops a second one with the same key, so every doubt is `unreachable`. A token that
 * the homeserver refuses is `unreachable` too, with the `MatrixError` as its cause: after a new log-in it goes.
 */
export async function deliver(
  operation: Operation,
  deps: DeliveryDeps,
  signal: AbortSignal,
): Promise<MessageRef> {
  try {
    switch (operation.type) {
      case 'post':
        return await post(operation, deps, signal)
      case 'edit':
        return await edit(operation, deps, signal)
      case 'delete':
        return await remove(operation, deps.voice.client, signal)
    }
  } catch (error) {
    throw failureOf(error, signal)
  }
}

async function post(
  { place, content, key, replyTo }: Extract<Operation, { type: 'post' }>,
  deps: DeliveryDeps,
  signal: AbortSignal,
): Promise<MessageRef> {
  const { choices = 0, ...message } = contentSchema.parse(content)
  // Between two people it is clear what is answered.
  const reply = replyTo !== undefined && deps.isGroup(place.chat)
  const body = {
    ...message,
    ...nobody,
    ...(reply ? { 'm.relates_to': { 'm.in_reply_to': { event_id: replyTo } } } : {}),
  }
  const ref =
    (await deps.earlier.find(place.chat, key, deps.self, deps.voice.client, signal)) ??
    (await deps.voice.send({ room: place.chat, type: 'm.room.message', content: body, key }, signal))
  deps.earlier.arrived(key)
  if (choices > 0) wear(place.chat, ref, choices, deps)
  return ref
}

async function edit(
  { place, content, key, ref }: Extract<Operation, { type: 'edit' }>,
  deps: DeliveryDeps,
  signal: AbortSignal,
): Promise<MessageRef> {
  const { choices = 0, ...message } = contentSchema.parse(content)
  const body = {
    msgtype: message.msgtype,
    // For clients that know no edits; short, because an event has to hold it beside the whole new text.
    body: `* ${message.body.slice(0, 300).toWellFormed()}`,
    ...nobody,
    'm.new_content': { ...message, ...nobody },
    'm.relates_to': { rel_type: 'm.replace', event_id: ref },
  }
  await deps.voice.send({ room: place.chat, type: 'm.room.message', content: body, key }, signal)
  if (choices > 0 || deps.memory.recall(wornKey(ref)) !== undefined) wear(place.chat, ref, choices, deps)
  return ref
}

async function remove(
  { place, key, ref }: Extract<Operation, { type: 'delete' }>,
  client: MatrixClient,
  signal: AbortSignal,
): Promise<MessageRef> {
  const where = path`/rooms/${place.chat}/redact/${ref}/${transactionId(key)}`
  try {
    await client.call({ method: 'PUT', path: where, body: {} }, wire.sentEvent, signal)
  } catch (error) {
    // What is not there need not be taken away.
    if (!(error instanceof MatrixError) || error.code !== 'M_NOT_FOUND') throw error
  }
  return ref
}

/** Without it, clients would ring for every `@room` and every name that an agent happens to write. */
const nobody = { 'm.mentions': {} }

/** The message is there, and its choices can be typed: the keycaps may come a little later. */
function wear(room: string, ref: string, choices: number, { memory, chores }: DeliveryDeps): void {
  const chore = { kind: 'keycaps', room, ref, want: Math.min(choices, mostKeycaps) } as const
  try {
    const key = wornKey(ref)
    memory.remember({ [key]: memory.recall(key) ?? '[]', ...chores.pairs([chore]) })
  } catch {
    // A full disk: they are put on by this run, or not at all.
  }
  chores.add([chore])
}

function failureOf(error: unknown, signal: AbortSignal): DeliveryError {
  if (signal.aborted) return new DeliveryError('unreachable', 'stopped meanwhile', { cause: error })
  if (error instanceof NoAnswer) return new DeliveryError('unreachable', error.message, { cause: error })
  if (!(error instanceof MatrixError)) {
    return new DeliveryError('rejected', 'a fault in the Matrix transport', { cause: error })
  }
  const { message } = error
  if (error.rateLimited) {
    const retryAfterMs = Math.max(1, error.retryAfterMs ?? 5_000)
    return new DeliveryError('rate-limited', message, { retryAfterMs, cause: error })
  }
  if (error.passing || error.deadToken) return new DeliveryError('unreachable', message, { cause: error })
  return new DeliveryError('rejected', message, { cause: error })
}
