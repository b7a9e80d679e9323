import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises'
import { extname, isAbsolute, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import type { Attachment } from '../../core/message.ts'
import { UserError } from '../../core/user-error.ts'
import { CallError, type BotApi } from './bot-api.ts'
import { remoteOf } from './media-in.ts'

const fileAnswer = z.object({ file_path: z.string(), file_size: z.int().optional() })
const tries = 3
/** So long may nothing come. */
const stallMs = 30_000

/** Brings a file of Telegram's into `folder/<date>/`. Throws `UserError` where it cannot be had. */
export async function fetchFile(
  api: BotApi,
  attachment: Attachment,
  folder: string,
  signal: AbortSignal,
): Promise<Attachment> {
  const remote = remoteOf(attachment)
  if (remote === undefined) throw new UserError(`“${attachment.name}” is not a file of Telegram's.`)
  const day = join(folder, new Date().toISOString().slice(0, 10))
  const path = join(day, safeName(attachment.name, remote.unique))
  for (let attempt = 1; ; attempt += 1) {
    try {
      const size = await bring(api, remote.file, day, path, signal)
      return { ...attachment, path, size }
    } catch (error) {
      await rm(`${path}.part`, { force: true })
      signal.throwIfAborted()
      const again = !(error instanceof CallError) || error.failure !== 'refused'
      if (again && attempt < tries) continue
      throw new UserError(whyNot(error, attachment), { cause: error })
    }
  }
}

/** Bytes that have come. A server on this machine may name a place on its disk instead. */
async function bring(
  api: BotApi,
  id: string,
  day: string,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  const { file_path: from, file_size: told } = fileAnswer.parse(
    await api.call((bot, stop) => bot.getFile(id, stop), signal),
  )
  await mkdir(day, { recursive: true, mode: 0o700 })
  const part = `${path}.part`
  if (isAbsolute(from)) await copyFile(from, part)
  else await download(api, from, part, signal)
  const { size } = await stat(part)
  if (told !== undefined && told !== size) throw new Error(`${size} of ${told} bytes have come`)
  await rename(part, path)
  return size
}

async function download(api: BotApi, from: string, part: string, signal: AbortSignal): Promise<void> {
  const stalled = new AbortController()
  const limit = setTimeout(() => stalled.abort(), stallMs)
  try {
    const response = await api.download(from, AbortSignal.any([signal, stalled.signal]))
    await pipeline(
      Readable.fromWeb(response.body),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          limit.refresh()
          yield chunk
        }
      },
      createWriteStream(part, { mode: 0o600 }),
    )
  } finally {
    clearTimeout(limit)
  }
}

/** The sender's name, made harmless, and a mark of the file itself: two files of one name do not meet. */
function safeName(name: string, unique: string): string {
  const extension = extname(name)
    .replaceAll(/[^\w.]/g, '')
    .slice(0, 10)
  const stem = name
    .slice(0, name.length - extname(name).length)
    .normalize('NFC')
    .replaceAll(/[^\p{L}\p{N}_-]+/gu, '_')
    .replaceAll(/^_+|_+$/g, '')
  const mark = createHash('sha256').update(unique).digest('hex').slice(0, 8)
  return `${Array.from(stem).slice(0, 60).join('') || 'file'}_${mark}${extension}`
}

function whyNot(error: unknown, { name, size }: Attachment): string {
  if (error instanceof CallError && /file is too big/i.test(error.message)) {
    const large = size === undefined ? '' : ` (${Math.round(size / 1_000_000)} MB)`
    return `“${name}”${large} is larger than the 20 MB that Telegram gives to bots. A Bot API server of your own (telegram_api_root) gives up to 2,000 MB.`
  }
  if (error instanceof CallError && error.failure === 'refused') {
    return `Telegram does not give “${name}” (${error.message}). Please send it again.`
  }
  const why = error instanceof Error ? error.message : String(error)
  return `“${name}” could not be fetched from Telegram (${why}). Please send it again.`
}
