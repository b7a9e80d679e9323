import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { CallError, type BotApi } from './bot-api.ts'
import type { FileContent } from './content.ts'

const megabyte = 1_000_000
const mostPublic = 50 * megabyte
/** A Bot API server of one's own takes this much. */
const mostOwn = 2000 * megabyte
const mostPhoto = 10 * megabyte

interface Way {
  readonly method: string
  readonly field: string
  /** Is its name nowhere to be seen without a caption? */
  readonly nameless: boolean
}

const asDocument: Way = { method: 'sendDocument', field: 'document', nameless: false }
const ways: readonly (readonly [type: RegExp, name: RegExp, way: Way])[] = [
  [/^image\/(?:jpeg|png|webp)$/, /\.(?:jpe?g|png|webp)$/, way('sendPhoto', 'photo', true)],
  [/^image\/gif$/, /\.gif$/, way('sendAnimation', 'animation', true)],
  [/^video\/mp4$/, /\.mp4$/, way('sendVideo', 'video', true)],
  [/^audio\/(?:mpeg|mp4|x-m4a)$/, /\.(?:mp3|m4a)$/, way('sendAudio', 'audio', false)],
  [/^audio\/(?:ogg|opus)$/, /\.(?:ogg|oga|opus)$/, way('sendVoice', 'voice', true)],
]

function way(method: string, field: string, nameless: boolean): Way {
  return { method, field, nameless }
}

/** How Telegram shows such a file best. */
export function wayFor({ name, mime_type: type, size }: FileContent): Way {
  const found = ways.find(
    ([types, names]) => types.test(type) && names.test(extname(name).toLowerCase()),
  )?.[2]
  if (found === undefined || (found.field === 'photo' && size > mostPhoto)) return asDocument
  return found
}

/** The line under a file: its name, where it would not be seen otherwise. */
export function captionOf(content: FileContent, { nameless } = wayFor(content)): string | undefined {
  return nameless ? content.name.slice(0, 200) : undefined
}

/**
 * Sends a file the way it is shown best, and as a document where Telegram will not have it so. Gives the message, or
 * in a sentence why the file cannot be sent. Throws `CallError` where the file is not the reason.
 */
export async function sendFile(
  api: BotApi,
  content: FileContent,
  fields: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<{ readonly sent: unknown } | { readonly unsent: string }> {
  const unfit = await whyUnfit(content, api)
  if (unfit !== undefined) return { unsent: unfit }
  const first = wayFor(content)
  for (const attempt of first === asDocument ? [asDocument] : [first, asDocument]) {
    try {
      return { sent: await upload(api, content, attempt, fields, signal) }
    } catch (error) {
      const reason = whyRefused(error, content)
      if (reason === undefined) throw error
      if (reason === tooLarge(content) || attempt === asDocument) return { unsent: reason }
    }
  }
  return { unsent: 'Telegram does not take it.' }
}

function upload(
  api: BotApi,
  content: FileContent,
  { method, field, nameless }: Way,
  fields: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<unknown> {
  const caption = nameless ? captionOf(content) : undefined
  return api.upload(
    method,
    { ...fields, ...(caption === undefined ? {} : { caption }) },
    { field, path: content.path, name: content.name, mimeType: content.mime_type, size: content.size },
    signal,
  )
}

async function whyUnfit(content: FileContent, api: BotApi): Promise<string | undefined> {
  try {
    const { size } = await stat(content.path)
    if (size === 0) return 'It is empty.'
    if (size > (api.isPublic ? mostPublic : mostOwn)) return tooLarge({ ...content, size })
    return undefined
  } catch {
    // What cannot be looked at cannot be sent, whatever the reason.
    return 'It is not there any more.'
  }
}

function tooLarge({ size }: FileContent): string {
  return `It has ${Math.ceil(size / megabyte)} MB, and Telegram takes 50 MB from a bot; a Bot API server of your own (telegram_api_root) takes 2,000.`
}

/** Why Telegram will not have this file; undefined where something else is the reason. */
function whyRefused(error: unknown, content: FileContent): string | undefined {
  if (!(error instanceof CallError)) return undefined
  const { code, message } = error
  if (code === 413 || /too (?:big|large)/i.test(message)) return tooLarge(content)
  const itsFault = /photo|image|video|audio|voice|document|file|wrong type|failed to get|media|dimensions/i
  return code === 400 && itsFault.test(message) ? `Telegram does not take it (${message}).` : undefined
}
