import { z } from 'zod'
import { CallError, type BotApi } from './bot-api.ts'
import type { TextContent, WordsContent } from './content.ts'
import { isAboutContent } from './failure.ts'
import { messageLimits } from './split.ts'

export interface Manner {
  readonly message_thread_id?: number
  readonly disable_notification: boolean
  readonly reply_parameters?: { readonly message_id: number; readonly allow_sending_without_reply: true }
}

export function sendText(
  api: BotApi,
  chat: string,
  content: WordsContent,
  manner: Manner,
  signal: AbortSignal,
): Promise<unknown> {
  if ('rich' in content) {
    const other = { ...keyboardOf(content), ...manner }
    return api.call((bot, stop) => bot.sendRichMessage(chat, { blocks: content.rich }, other, stop), signal)
  }
  return withPlainFallback(content, (fitting) =>
    api.call(
      (bot, stop) => bot.sendMessage(chat, fitting.text, { ...looks(fitting), ...manner }, stop),
      signal,
    ),
  )
}

/** Text becomes a rich message in the same way, and the other way round. */
export async function editText(
  api: BotApi,
  chat: string,
  id: number,
  content: WordsContent,
  signal: AbortSignal,
): Promise<void> {
  if ('rich' in content) {
    const edited = await api.call(
      (bot, stop) => bot.editMessageText(chat, id, { blocks: content.rich }, keyboardOf(content), stop),
      signal,
    )
    return checkEdited(edited, id)
  }
  const edited = await withPlainFallback(content, (fitting) =>
    api.call((bot, stop) => bot.editMessageText(chat, id, fitting.text, looks(fitting), stop), signal),
  )
  checkEdited(edited, id)
}

const message = z.object({ message_id: z.int() })

/** Throws where the answer to an edit names another message, or none: then nobody knows what was done. */
export function checkEdited(answer: unknown, id: number): void {
  if (message.safeParse(answer).data?.message_id !== id)
    throw new CallError('lost', 'the answer to an edit does not name the message')
}

function looks(content: TextContent) {
  return {
    entities: content.entities,
    link_preview_options: { is_disabled: true },
    ...keyboardOf(content),
  }
}

function keyboardOf({ reply_markup: markup }: WordsContent) {
  return markup === undefined ? {} : { reply_markup: markup }
}

/** A text without looks is better than none; its links are written out, as far as there is room. */
async function withPlainFallback<T>(
  content: TextContent,
  make: (content: TextContent) => Promise<T>,
): Promise<T> {
  try {
    return await make(content)
  } catch (error) {
    if (!isAboutContent(error) || content.entities.length === 0) throw error
    return make({ ...content, text: writtenOut(content), entities: [] })
  }
}

function writtenOut({ text, entities }: TextContent): string {
  const links = entities.flatMap((entity) => (entity.type === 'text_link' ? [entity] : []))
  const whole = links
    .toSorted((a, b) => b.offset - a.offset)
    .reduce((words, { offset, length, url }) => {
      const end = offset + length
      return words.slice(offset, end) === url ? words : `${words.slice(0, end)} (${url})${words.slice(end)}`
    }, text)
  return Array.from(whole).length > messageLimits.characters ? text : whole
}
