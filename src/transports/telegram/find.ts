import { CallError, type BotApi } from './bot-api.ts'
import { filesOf, type FilesContent, type WordsContent } from './content.ts'
import { firstCaption } from './files-out.ts'
import { checkEdited, editText } from './text-out.ts'

/** Numbers that are tried beyond the newest message that is known. */
const beyond = 25
/** Numbers that are tried at all: all private chats share a counter, which may be far ahead after a while away. */
const most = 200

export interface Range {
  /** The highest number that was known before the post. */
  readonly after: number
  /** The highest number that is known now. */
  readonly newest: number
  /** It is at none of the numbers up to this one, as an earlier search has found. */
  readonly searched: number
  /** Is this another message, ours or not? It must not be touched. */
  readonly taken: (id: number) => boolean
  /** It is not here. */
  readonly missed: (id: number) => void
}

/**
 * Looks for a message of the bot with this content, by changing the next messages into it: “not modified” says that
 * it is there. What is not ours, or not there, refuses. Undefined: it did not arrive. Throws `CallError` when the
 * network does not say.
 */
export async function findPost(
  api: BotApi,
  chat: string,
  content: WordsContent | FilesContent,
  { after, newest, searched, taken, missed }: Range,
  signal: AbortSignal,
): Promise<number | undefined> {
  const last = Math.max(newest, after) + beyond
  let tried = 0
  for (let id = Math.max(after, searched) + 1; id <= last && tried < most; id += 1) {
    if (taken(id)) continue
    tried += 1
    if (await isAt(api, chat, id, content, signal)) return id
    missed(id)
  }
  return undefined
}

async function isAt(
  api: BotApi,
  chat: string,
  id: number,
  content: WordsContent | FilesContent,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if ('kind' in content) {
      // Of an album, the first message stands for all.
      const caption = await firstCaption(filesOf(content), api)
      const words = caption === undefined ? {} : { caption }
      checkEdited(await api.call((bot, stop) => bot.editMessageCaption(chat, id, words, stop), signal), id)
    } else {
      await editText(api, chat, id, content, signal)
    }
    return true
  } catch (error) {
    if (!(error instanceof CallError) || error.code !== 400) throw error
    if (/message is not modified/i.test(error.message)) return true
    if (elsewhere.test(error.message)) return false
    throw error
  }
}

const elsewhere =
  /message to edit not found|message can't be edited|message_id_invalid|no (?:text|caption) in the message/i
