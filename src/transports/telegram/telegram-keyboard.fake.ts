import { z } from 'zod'
import type { Limits } from './telegram-limits.fake.ts'
import { badRequest } from './telegram-refusal.fake.ts'

const button = z.strictObject({
  text: z.string(),
  callback_data: z.string().optional(),
  url: z.string().optional(),
  copy_text: z.strictObject({ text: z.string() }).optional(),
  style: z.string().optional(),
})

export const keyboard = z.strictObject({ inline_keyboard: z.array(z.array(button)) })
export type WireKeyboard = z.infer<typeof keyboard>

const mostBytes = 64
const mostCopied = 256

/** Throws a 400 for what the server refuses. */
export function checkKeyboard({ inline_keyboard: rows }: WireKeyboard, limits: Limits): void {
  const buttons = rows.flat()
  if (rows.some((row) => row.length === 0)) throw badRequest('inline keyboard row is empty')
  if (rows.some((row) => row.length > 8)) throw badRequest('REPLY_MARKUP_TOO_LONG')
  if (buttons.length > limits.buttons) throw badRequest('REPLY_MARKUP_TOO_LONG')
  for (const { text, callback_data: data, url, copy_text: copied, style } of buttons) {
    if (text.trim() === '') throw badRequest('inline keyboard button text must be non-empty')
    const actions = [data, url, copied].filter((action) => action !== undefined)
    if (actions.length === 0) throw badRequest('text buttons are unallowed in the inline keyboard')
    if (actions.length > 1) throw badRequest('an inline keyboard button must have exactly one action')
    if (copied !== undefined && (copied.text === '' || Array.from(copied.text).length > mostCopied)) {
      throw badRequest('BUTTON_COPY_TEXT_INVALID')
    }
    if (data !== undefined && (data === '' || Buffer.byteLength(data) > mostBytes)) {
      throw badRequest('BUTTON_DATA_INVALID')
    }
    if (url !== undefined && !/^(?:https?:\/\/[^\s/]+\.|tg:\/\/)/i.test(url)) {
      throw badRequest(`inline keyboard button URL '${url}' is invalid: Wrong HTTP URL`)
    }
    if (style !== undefined && !['danger', 'success', 'primary'].includes(style)) {
      throw badRequest('invalid button style specified')
    }
  }
}
