import { z } from 'zod'
import type { Place } from '../core/message.ts'
import { optionalText } from './columns.ts'
import type { Sql } from './sql.ts'

/** What a row of `conversations c` tells of its place. */
export const placeColumns = 'c.place, c.transport, c.chat, c.thread'
export const placeShape = {
  place: z.string(),
  transport: z.string(),
  chat: z.string(),
  thread: optionalText,
}

export function toPlace(row: {
  readonly place: string
  readonly transport: string
  readonly chat: string
  readonly thread?: string | undefined
}): Place {
  const { place: key, transport, chat, thread } = row
  return { key, transport, chat, ...(thread === undefined ? {} : { thread }) }
}

/** Writes down what a place is, before anything is written that belongs to it. */
export function meeting({ command }: Sql): (place: Place) => void {
  const meet = command(
    'insert into conversations (place, transport, chat, thread) values (?, ?, ?, ?) on conflict do nothing',
  )
  return ({ key, transport, chat, thread }) => {
    meet(key, transport, chat, thread ?? null)
  }
}
