import { z } from 'zod'
import type { Inbound, Place } from '../core/message.ts'
import type {
  Action,
  InboxRow,
  PostRow,
  PublicationRow,
  SessionRow,
  StoredChoice,
  StrandRow,
  TurnRow,
} from '../core/store.ts'
import type { Content } from '../core/transport.ts'
import type { View } from '../core/view.ts'

const optionalText = z
  .string()
  .nullable()
  .transform((value) => value ?? undefined)

/** We wrote this JSON ourselves, in a column that nothing else writes: its shape is that of the type. */
const own = <T>() => z.string().transform((text): T => JSON.parse(text))

const place = { place: z.string(), transport: z.string(), chat: z.string(), thread: optionalText }

export function toPlace(row: {
  place: string
  transport: string
  chat: string
  thread?: string | undefined
}): Place {
  return {
    key: row.place,
    transport: row.transport,
    chat: row.chat,
    ...(row.thread === undefined ? {} : { thread: row.thread }),
  }
}

const inboxState = z.enum([
  'pending',
  'queued',
  'stale',
  'running',
  'asked',
  'done',
  'cancelled',
  'refused',
  'dead',
])

export const inboxRow = z
  .object({
    seq: z.number(),
    body: own<Inbound>(),
    strand: z.string(),
    state: inboxState,
    turn: optionalText,
    attempts: z.number(),
    received_at: z.number(),
  })
  .transform(({ body, turn, received_at, ...row }): InboxRow => ({
    ...row,
    inbound: body,
    receivedAt: received_at,
    ...(turn === undefined ? {} : { turn }),
  }))

export const strandRow = z
  .object({
    strand: z.string(),
    provider: optionalText,
    model: optionalText,
    effort: optionalText,
    gist: optionalText,
    made_at: z.number(),
    used_at: z.number(),
  })
  .transform(({ strand, provider, model, effort, gist, made_at, used_at }): StrandRow => ({
    name: strand,
    madeAt: made_at,
    usedAt: used_at,
    ...(provider === undefined ? {} : { provider }),
    ...(model === undefined ? {} : { model }),
    ...(effort === undefined ? {} : { effort }),
    ...(gist === undefined ? {} : { gist }),
  }))

export const sessionRow = z
  .object({
    provider: z.string(),
    session: z.string(),
    began_at: z.number(),
    used_at: z.number(),
    messages: z.number(),
    cost_usd: z.number(),
    context_tokens: z.number().nullable(),
    context_window: z.number().nullable(),
  })
  .transform((row): SessionRow => ({
    provider: row.provider,
    id: row.session,
    beganAt: row.began_at,
    usedAt: row.used_at,
    messages: row.messages,
    costUsd: row.cost_usd,
    ...(row.context_tokens === null ? {} : { contextTokens: row.context_tokens }),
    ...(row.context_window === null ? {} : { contextWindow: row.context_window }),
  }))

export const queueRow = z
  .object({ ...place, strand: z.string() })
  .transform((row) => ({ place: toPlace(row), strand: row.strand }))

export const turnRow = z
  .object({ id: z.string(), ...place, strand: z.string(), provider: z.string(), started_at: z.number() })
  .transform((row): TurnRow => ({
    id: row.id,
    place: toPlace(row),
    strand: row.strand,
    provider: row.provider,
    startedAt: row.started_at,
  }))

export const publicationRow = z
  .object({
    key: z.string(),
    ...place,
    view: own<View>(),
    state: z.enum(['live', 'final', 'settled', 'dead']),
    turn: optionalText,
    reply_to: optionalText,
  })
  .transform((row): PublicationRow => ({
    key: row.key,
    place: toPlace(row),
    view: row.view,
    state: row.state,
    ...(row.turn === undefined ? {} : { turn: row.turn }),
    ...(row.reply_to === undefined ? {} : { replyTo: row.reply_to }),
  }))

export const postRow = z
  .object({
    number: z.number(),
    attempt: z.number(),
    ref: optionalText,
    content: own<Content>(),
    revision: z.number(),
  })
  .transform(({ number, attempt, ref, content, revision }): PostRow => ({
    index: number,
    attempt,
    content,
    revision,
    ...(ref === undefined ? {} : { ref }),
  }))

export const choiceRow = z
  .object({
    token: z.string(),
    place: z.string(),
    publication: z.string(),
    label: z.string(),
    style: z.enum(['primary', 'danger']).nullable(),
    action: own<Action>(),
    made_at: z.number(),
    spent: z.number(),
  })
  .transform(({ style, made_at, spent, ...row }): StoredChoice => ({
    ...row,
    madeAt: made_at,
    spent: spent === 1,
    ...(style === null ? {} : { style }),
  }))

export const traceRow = z
  .object({ at: z.number(), event: z.string(), detail: optionalText })
  .transform(({ at, event, detail }) => ({ at, event, ...(detail === undefined ? {} : { detail }) }))
