import { openAsBlob } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { z } from 'zod'
import type { Log } from '../../core/define.ts'
import type { Memory } from '../../core/transport.ts'
import { MatrixError, NoAnswer, type MatrixClient } from './client.ts'
import type { FileContent, TextContent } from './content.ts'
import type { Thumbnails } from './thumbnail.ts'
import { transactionId } from './transaction-id.ts'
import { mediaLimits, uploadedFile } from './wire.ts'

const uploadMs = 15 * 60_000
const prefix = 'upload:'
const keptForMs = 7 * 24 * 3_600_000
/** Where a homeserver does not tell. */
const usualLimit = 50 * 1024 * 1024

type EventContent = Readonly<Record<string, unknown>>

/** Encrypts the file for one message: what to upload, and what the message has to hold beside its address. */
export type SealFile = (
  path: string,
  signal: AbortSignal,
) => Promise<{ readonly blob: Blob; readonly file: EventContent; readonly done: () => Promise<void> }>

export interface FilesOutDeps {
  readonly memory: Memory
  readonly log: Log
  readonly thumbnails: Pick<Thumbnails, 'of'>
  /** Undefined: the room is not encrypted. */
  readonly sealFile?: SealFile
}

/** Uploads the files that the bot sends: each one once, however often its message has to be sent. */
export class FilesOut {
  readonly #client: MatrixClient
  #limit: number | undefined

  constructor(client: MatrixClient) {
    this.#client = client
  }

  /**
   * The content of the message that shows the file, which is uploaded by then; or, where it cannot be sent, a text
   * that says so. Throws what the client throws.
   */
  async contentOf(
    file: FileContent,
    key: string,
    deps: FilesOutDeps,
    signal: AbortSignal,
  ): Promise<EventContent> {
    const known = recall(key, deps.memory)
    if (known !== undefined) return known
    const unfit = await this.#whyUnfit(file, signal)
    if (unfit !== undefined) return unsent(file, unfit)
    try {
      const content = await this.#upload(file, deps, signal)
      remember(key, content, deps)
      return content
    } catch (error) {
      if (!(error instanceof MatrixError) || error.passing || error.deadToken) throw error
      const large = error.status === 413 || error.code === 'M_TOO_LARGE'
      return unsent(file, large ? tooLarge(file.size) : `The homeserver does not take it (${error.code}).`)
    }
  }

  async #whyUnfit({ path }: FileContent, signal: AbortSignal): Promise<string | undefined> {
    try {
      // What it leads to was judged when it was named: a link that came since is another file.
      const size = (await realpath(path)) === path ? (await stat(path)).size : undefined
      if (size === undefined) return 'It is not there any more.'
      return size > (await this.#mostBytes(signal)) ? tooLarge(size, this.#limit) : undefined
    } catch (error) {
      if (error instanceof MatrixError || error instanceof NoAnswer) throw error
      return 'It is not there any more.'
    }
  }

  async #mostBytes(signal: AbortSignal): Promise<number> {
    this.#limit ??= await this.#askLimit(signal)
    return this.#limit
  }

  async #askLimit(signal: AbortSignal): Promise<number> {
    for (const where of ['/_matrix/client/v1/media/config', '/_matrix/media/v3/config']) {
      try {
        const limits = await this.#client.call({ method: 'GET', path: where }, mediaLimits, signal)
        return limits['m.upload.size'] ?? usualLimit
      } catch (error) {
        if (!(error instanceof MatrixError) || error.passing || error.deadToken) throw error
      }
    }
    return usualLimit
  }

  async #upload(file: FileContent, deps: FilesOutDeps, signal: AbortSignal): Promise<EventContent> {
    const { path, name, mimeType: mimetype } = file
    const msgtype = msgtypeOf(mimetype)
    const { size } = await stat(path)
    const looks =
      msgtype === 'm.image'
        ? { ...(await dimensions(path)), ...(await this.#thumbnailOf(path, deps, signal)) }
        : {}
    const where = await this.#store(file, deps, signal)
    return { msgtype, body: name, filename: name, info: { mimetype, size, ...looks }, ...where }
  }

  /** What of the message tells of its thumbnail, which is uploaded by then; nothing where it has none. */
  async #thumbnailOf(path: string, deps: FilesOutDeps, signal: AbortSignal): Promise<EventContent> {
    const thumbnail = await deps.thumbnails.of(path, signal)
    if (thumbnail === undefined) return {}
    const { mimeType: mimetype, width: w, height: h, size } = thumbnail
    try {
      const { url, file } = await this.#store(thumbnail, deps, signal)
      const where = file === undefined ? { thumbnail_url: url } : { thumbnail_file: file }
      return { ...where, thumbnail_info: { mimetype, w, h, size } }
    } finally {
      await thumbnail.done()
    }
  }

  /** Uploads the file, encrypted where the room is; resolves with what the message holds of where it lies. */
  async #store(
    { path, mimeType, name }: Pick<FileContent, 'path' | 'mimeType'> & { readonly name?: string },
    { sealFile }: FilesOutDeps,
    signal: AbortSignal,
  ): Promise<{ readonly url?: string; readonly file?: EventContent }> {
    if (sealFile === undefined) {
      return { url: await this.#put(await openAsBlob(path, { type: mimeType }), name, signal) }
    }
    const { blob, file, done } = await sealFile(path, signal)
    try {
      return { file: { ...file, url: await this.#put(blob, undefined, signal) } }
    } finally {
      await done()
    }
  }

  async #put(file: Blob, filename: string | undefined, signal: AbortSignal): Promise<string> {
    const call = {
      method: 'POST',
      path: '/_matrix/media/v3/upload',
      query: { filename },
      file,
      timeoutMs: uploadMs,
    } as const
    return (await this.#client.call(call, uploadedFile, signal)).content_uri
  }
}

/** The message was sent: its file need not be known any longer. */
export function forgetUpload(key: string, memory: Memory): void {
  if (memory.recall(keyOf(key)) === undefined) return
  const old = memory
    .list(prefix)
    .filter(([, value]) => Date.now() - kept.parse(JSON.parse(value)).at > keptForMs)
  memory.remember({ ...Object.fromEntries(old.map(([one]) => [one, null])), [keyOf(key)]: null })
}

const kept = z.object({ at: z.number(), content: z.record(z.string(), z.unknown()) })

function keyOf(key: string): string {
  return prefix + transactionId(key)
}

function recall(key: string, memory: Memory): EventContent | undefined {
  const text = memory.recall(keyOf(key))
  return text === undefined ? undefined : kept.parse(JSON.parse(text)).content
}

function remember(key: string, content: EventContent, { memory, log }: FilesOutDeps): void {
  try {
    memory.remember({ [keyOf(key)]: JSON.stringify({ at: Date.now(), content }) })
  } catch (error) {
    // A full disk: another attempt uploads it once more.
    log.warn({ err: error }, 'an upload cannot be remembered')
  }
}

function msgtypeOf(mimeType: string): string {
  const [kind] = mimeType.split('/')
  // Clients show a vector image as a file that can be opened: it might hold a script.
  if (kind === 'image' && mimeType !== 'image/svg+xml') return 'm.image'
  return kind === 'audio' || kind === 'video' ? `m.${kind}` : 'm.file'
}

/** In pixels. Nothing for what only calls itself an image. */
async function dimensions(path: string): Promise<{ readonly w?: number; readonly h?: number }> {
  try {
    const { imageSizeFromFile } = await import('image-size/fromFile')
    const { width, height, orientation = 1 } = await imageSizeFromFile(path)
    // From 5 on, it is shown lying on its side.
    return orientation < 5 ? { w: width, h: height } : { w: height, h: width }
  } catch {
    // Clients find out by themselves when they show it.
    return {}
  }
}

function unsent({ name }: FileContent, why: string): TextContent {
  return { msgtype: 'm.notice', body: `📎 ${name} could not be sent. ${why}` }
}

function tooLarge(size: number, limit?: number): string {
  const most = limit === undefined ? 'less' : `at most ${megabytes(limit)} MB`
  return `It has ${megabytes(size)} MB, and the homeserver takes ${most} (max_upload_size on Synapse).`
}

function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}
