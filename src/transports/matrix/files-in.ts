import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import type { Attachment } from '../../core/message.ts'
import { UserError } from '../../core/user-error.ts'
import { storeReceived, tooLarge } from '../received-files.ts'
import { MatrixError, NoAnswer, type MatrixClient } from './client.ts'

const tries = 3
/** So long may nothing come. */
const stallMs = 30_000

/** What a message says of where its file lies: an address for all to read, or one with the key to it. */
export const remoteFile = z.object({
  url: z.string().optional(),
  /** Of an encrypted file; read by whoever decrypts it. */
  file: z.record(z.string(), z.unknown()).optional(),
})

/** Decrypts what goes through it. Fails at its end where that is not what was sent. */
export type OpenFile = (file: Readonly<Record<string, unknown>>) => Transform

export interface FilesInDeps {
  readonly client: MatrixClient
  /** Absolute path; each day has a folder in it. */
  readonly folder: string
  readonly maxBytes: number
  readonly openFile?: OpenFile
}

/** Brings a file of the homeserver's to this machine. Throws `UserError` where it cannot be had. */
export async function fetchFile(
  attachment: Attachment,
  deps: FilesInDeps,
  signal: AbortSignal,
): Promise<Attachment> {
  const remote = remoteFile.safeParse(JSON.parse(attachment.remote ?? '{}')).data
  const address = addressOf(remote?.file?.['url'] ?? remote?.url)
  if (address === undefined) throw new UserError(`“${attachment.name}” does not lie on a homeserver.`)
  if ((attachment.size ?? 0) > deps.maxBytes) throw new UserError(tooLarge(deps.maxBytes))
  for (let attempt = 1; ; attempt++) {
    try {
      const bytes = bytesOf(await download(address, deps.client, signal), remote?.file, deps)
      return { ...attachment, ...(await storeReceived(deps.folder, attachment.name, bytes, deps)) }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof UserError) throw error
      const refused = error instanceof MatrixError && !error.passing
      if (refused || attempt === tries) throw new UserError(whyNot(error, attachment), { cause: error })
    }
  }
}

/** `SERVER/ID` of an `mxc://` address; undefined for anything that might lead elsewhere. */
function addressOf(url: unknown): string | undefined {
  if (typeof url !== 'string') return undefined
  return /^mxc:\/\/([A-Za-z0-9.:[\]-]+\/[A-Za-z0-9_=-]+)$/.exec(url)?.[1]
}

/** Homeservers before 1.11 of the specification know only the older place, which needs no log-in. */
async function download(address: string, client: MatrixClient, signal: AbortSignal): Promise<Response> {
  const [server = '', id = ''] = address.split('/')
  const where = `${encodeURIComponent(server)}/${encodeURIComponent(id)}`
  try {
    return await client.download(`/_matrix/client/v1/media/download/${where}`, signal)
  } catch (error) {
    if (!(error instanceof MatrixError) || error.code !== 'M_UNRECOGNIZED') throw error
    return client.download(`/_matrix/media/v3/download/${where}`, signal)
  }
}

function bytesOf(
  { body, headers }: Response,
  file: Readonly<Record<string, unknown>> | undefined,
  { maxBytes, openFile }: FilesInDeps,
): AsyncIterable<Uint8Array> {
  if (Number(headers.get('content-length') ?? 0) > maxBytes) {
    void body?.cancel().catch(() => {
      // It broke off by itself.
    })
    throw new UserError(tooLarge(maxBytes))
  }
  const bytes = unstalled(body === null ? [] : Readable.fromWeb(body))
  if (file === undefined) return bytes
  if (openFile === undefined) throw new UserError('The file is encrypted, and cannot be read here.')
  return opened(bytes, openFile(file))
}

/** What comes out of it; a fault on either side ends both. */
async function* opened(bytes: AsyncIterable<Uint8Array>, through: Transform): AsyncGenerator<Uint8Array> {
  const flow = pipeline(bytes, through)
  flow.catch(() => {
    // Whoever reads what comes out sees it.
  })
  for await (const chunk of through) yield Buffer.from(chunk)
  await flow
}

/** Ends with an error when nothing comes for a while. */
async function* unstalled(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const stalled = Promise.withResolvers<never>()
  stalled.promise.catch(() => {
    // Whoever waits for the next chunk sees it.
  })
  const limit = setTimeout(() => stalled.reject(new NoAnswer('the download stalls')), stallMs)
  const iterator = Readable.from(chunks)[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), stalled.promise])
      if (next.done === true) return
      limit.refresh()
      yield next.value
    }
  } finally {
    clearTimeout(limit)
    await iterator.return?.()
  }
}

function whyNot(error: unknown, { name }: Attachment): string {
  if (error instanceof MatrixError && error.code === 'M_NOT_FOUND') {
    return `“${name}” is not on the homeserver any more. Please send it again.`
  }
  const why = error instanceof Error ? error.message : String(error)
  return `“${name}” could not be fetched from the homeserver (${why}). Please send it again.`
}
