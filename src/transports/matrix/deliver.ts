import type { Log } from '../../core/define.ts'
import {
  DeliveryError,
  type Memory,
  type MessageRef,
  type Operation,
  type Post,
} from '../../core/transport.ts'
import type { Chores } from './chores.ts'
import { TooSoon, type Budget } from './budget.ts'
import { MatrixError, NoAnswer, path } from './client.ts'
import { matrixContent, type MatrixContent } from './content.ts'
import type { EarlierPosts } from './earlier.ts'
import { forgetUpload, type FilesOut, type FilesOutDeps, type SealFile } from './files-out.ts'
import { mostKeycaps } from './keycaps.ts'
import { pollEvent, pollStart } from './polls.ts'
import { wornKey } from './reactions.ts'
import type { OwnerChat } from './owner-chat.ts'
import type { Rooms } from './rooms.ts'
import type { Voice } from './send.ts'
import { transactionId } from './transaction-id.ts'
import * as wire from './wire.ts'

export interface DeliveryDeps {
  readonly budget: Budget
  readonly voice: Voice
  /** The bot's own user id. */
  readonly self: string
  readonly rooms: Pick<Rooms, 'isGroup' | 'whereabouts'>
  readonly ownerChat: Pick<OwnerChat, 'roomOf'>
  readonly earlier: EarlierPosts
  readonly files: FilesOut
  readonly thumbnails: FilesOutDeps['thumbnails']
  /** Undefined where the room is not encrypted. */
  readonly sealFile?: (room: string) => SealFile | undefined
  readonly memory: Memory
  readonly log: Log
  readonly chores: Chores
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
  const { place } = operation
  try {
    const chat = await deps.ownerChat.roomOf(place.chat, deps.voice.client, signal)
    return await deliverTo({ ...operation, place: { ...place, chat } }, deps, signal)
  } catch (error) {
    throw failureOf(error, signal)
  }
}

async function deliverTo(operation: Operation, deps: DeliveryDeps, signal: AbortSignal): Promise<MessageRef> {
  const { chat } = operation.place
  const now = deps.rooms.whereabouts(chat)
  if ('gone' in now) throw new DeliveryError('rejected', now.gone)
  try {
    switch (operation.type) {
      case 'post':
        return await post(operation, now.room, deps, signal)
      case 'edit':
        return await edit(operation, deps, signal)
      case 'delete':
        return await remove(operation, deps, signal)
    }
  } catch (error) {
    // What was said in a room that was upgraded stays as it is; its successor can have the new words.
    const closed = now.room !== chat && error instanceof MatrixError && error.code === 'M_FORBIDDEN'
    if (closed && operation.type !== 'post') throw new DeliveryError('gone', error.message, { cause: error })
    throw error
  }
}

/** `room` is where the conversation goes on, if the room of its place was upgraded. */
async function post(
  operation: Post,
  room: string,
  deps: DeliveryDeps,
  signal: AbortSignal,
): Promise<MessageRef> {
  const { place, key } = operation
  const content = matrixContent.parse(operation.content)
  const known = await deps.earlier.find(room, key, deps.self, deps.voice.client, signal)
  const ref = known ?? (await say(content))
  deps.earlier.arrived(key)
  if (content.kind === 'file') forgetFile(key, deps)
  if (content.kind === undefined && (content.choices ?? 0) > 0) wear(room, ref, content.choices ?? 0, deps)
  return ref

  async function say(what: MatrixContent): Promise<MessageRef> {
    const event = await eventOf(what, key, room, deps, signal)
    const relation = room === place.chat ? relationOf(operation, deps) : undefined
    const relates = relation === undefined ? {} : { 'm.relates_to': relation }
    return deps.voice.send({ ...event, room, key, content: { ...event.content, ...relates } }, signal)
  }
}

async function edit(
  { place, content: rendered, key, ref }: Extract<Operation, { type: 'edit' }>,
  deps: DeliveryDeps,
  signal: AbortSignal,
): Promise<MessageRef> {
  const content = matrixContent.parse(rendered)
  const room = place.chat
  const event = await eventOf(content, key, room, deps, signal)
  const body = {
    ...(content.kind === 'poll'
      ? {}
      : // For clients that know no edits; short, because an event has to hold it beside the whole new text.
        { msgtype: 'm.notice', ...shortened(event.content), ...nobody }),
    'm.new_content': event.content,
    'm.relates_to': { rel_type: 'm.replace', event_id: ref },
  }
  await deps.voice.send({ room, type: event.type, content: body, key }, signal)
  if (content.kind === 'file') forgetFile(key, deps)
  const choices = content.kind === undefined ? (content.choices ?? 0) : 0
  if (choices > 0 || deps.memory.recall(wornKey(ref)) !== undefined) wear(room, ref, choices, deps)
  return ref
}

function shortened({ msgtype, body }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const text = typeof body === 'string' ? body : ''
  return { msgtype, body: `* ${text.slice(0, 300).toWellFormed()}` }
}

async function remove(
  { place, key, ref }: Extract<Operation, { type: 'delete' }>,
  { voice: { client }, budget }: DeliveryDeps,
  signal: AbortSignal,
): Promise<MessageRef> {
  const where = path`/rooms/${place.chat}/redact/${ref}/${transactionId(key)}`
  try {
    const call = { method: 'PUT', path: where, body: {} } as const
    await budget.spend('words', () => client.call(call, wire.sentEvent, signal))
  } catch (error) {
    // What is not there need not be taken away.
    if (!(error instanceof MatrixError) || error.code !== 'M_NOT_FOUND') throw error
  }
  return ref
}

/** Without it, clients would ring for every `@room` and every name that an agent happens to write. */
const nobody = { 'm.mentions': {} }

/** The event that shows this, without what it refers to. */
async function eventOf(
  content: MatrixContent,
  key: string,
  room: string,
  deps: DeliveryDeps,
  signal: AbortSignal,
): Promise<{ readonly type: string; readonly content: Readonly<Record<string, unknown>> }> {
  switch (content.kind) {
    case 'file': {
      const sealFile = deps.sealFile?.(room)
      const { memory, log, thumbnails } = deps
      const how = { memory, log, thumbnails, ...(sealFile === undefined ? {} : { sealFile }) }
      const file = await deps.files.contentOf(content, key, how, signal)
      return { type: 'm.room.message', content: { ...file, ...nobody } }
    }
    case 'poll':
      return { type: pollStart, content: pollEvent(content) }
    case undefined: {
      const { choices: _, ...message } = content
      return { type: 'm.room.message', content: { ...message, ...nobody } }
    }
  }
}

/** A message of a thread belongs to it; in a group, an answer names what it answers. Between two that is clear. */
function relationOf(
  { place, replyTo }: Post,
  { rooms }: DeliveryDeps,
): Readonly<Record<string, unknown>> | undefined {
  const answers = replyTo !== undefined && rooms.isGroup(place.chat)
  if (place.thread !== undefined) {
    return {
      rel_type: 'm.thread',
      event_id: place.thread,
      is_falling_back: !answers,
      'm.in_reply_to': { event_id: replyTo ?? place.thread },
    }
  }
  return answers ? { 'm.in_reply_to': { event_id: replyTo } } : undefined
}

function forgetFile(key: string, { memory, log }: DeliveryDeps): void {
  try {
    forgetUpload(key, memory)
  } catch (error) {
    // A full disk: it goes with the next one.
    log.warn({ err: error }, 'an upload cannot be forgotten')
  }
}

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
  if (error instanceof DeliveryError) return error
  if (signal.aborted) return new DeliveryError('unreachable', 'stopped meanwhile', { cause: error })
  if (error instanceof TooSoon) {
    return new DeliveryError('rate-limited', error.message, { retryAfterMs: error.afterMs })
  }
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
