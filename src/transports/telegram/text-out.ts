import type { BotApi } from './bot-api.ts'
import type { TextContent } from './content.ts'
import { isRefusal } from './failure.ts'

export interface Manner {
  readonly message_thread_id?: number
  readonly disable_notification: boolean
  readonly reply_parameters?: { readonly message_id: number; readonly allow_sending_without_reply: true }
}

export function sendText(
  api: BotApi,
  chat: string,
  content: TextContent,
  manner: Manner,
  signal: AbortSignal,
) {
  return withPlainFallback(content, (fitting) =>
    api.call(
      (bot, stop) => bot.sendMessage(chat, fitting.text, { ...looks(fitting), ...manner }, stop),
      signal,
    ),
  )
}

export function editText(api: BotApi, chat: string, id: number, content: TextContent, signal: AbortSignal) {
  return withPlainFallback(content, (fitting) =>
    api.call((bot, stop) => bot.editMessageText(chat, id, fitting.text, looks(fitting), stop), signal),
  )
}

function looks({ entities, reply_markup: markup }: TextContent) {
  return {
    entities,
    link_preview_options: { is_disabled: true },
    ...(markup === undefined ? {} : { reply_markup: markup }),
  }
}

/** A text without looks is better than none. */
async function withPlainFallback<T>(
  content: TextContent,
  make: (content: TextContent) => Promise<T>,
): Promise<T> {
  try {
    return await make(content)
  } catch (error) {
    if (!isRefusal(error, /entit|\burl\b/i) || content.entities.length === 0) throw error
    return make({ ...content, entities: [] })
  }
}
