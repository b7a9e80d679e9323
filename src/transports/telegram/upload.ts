import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export interface UploadedFile {
  readonly field: string
  /** Absolute. */
  readonly path: string
  readonly name: string
  readonly mimeType: string
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/**
 * Posts a form with files, as they are read from the disk. The answer counts as soon as it comes, also where the server
 * does not wait for the end of the file. (`fetch` fails outside of its promise then.) Throws what Node throws.
 */
export async function postForm(
  url: string,
  fields: Readonly<Record<string, string>>,
  files: readonly UploadedFile[],
  signal: AbortSignal,
): Promise<Answer> {
  const boundary = `ductor-${randomUUID()}`
  const pieces = await piecesOf(boundary, fields, files)
  const call = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, {
    method: 'POST',
    signal,
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': pieces.reduce((sum, { size }) => sum + size, 0),
    },
  })
  const answered = Promise.withResolvers<IncomingMessage>()
  call.once('response', answered.resolve)
  call.once('error', answered.reject)
  const sending = pipeline(Readable.from(wholeForm(pieces)), call)
  // Where the server answers early and hangs up, its answer says why; without one, this says it.
  sending.catch(answered.reject)
  const response = await answered.promise
  try {
    return { status: response.statusCode ?? 0, body: await text(response) }
  } finally {
    call.destroy()
  }
}

/** A stretch of the form: words of its own, or a file of which so many bytes go. */
type Piece =
  | { readonly words: string; readonly size: number }
  | { readonly path: string; readonly size: number }

async function piecesOf(
  boundary: string,
  fields: Readonly<Record<string, string>>,
  files: readonly UploadedFile[],
): Promise<readonly Piece[]> {
  const values = Object.entries(fields).map(([name, value]) =>
    words(`--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
  )
  const parts = files.map(async (file) => {
    const { size } = await stat(file.path)
    return [words(headOf(boundary, file)), { path: file.path, size }, words('\r\n')]
  })
  return [...values, ...(await Promise.all(parts)).flat(), words(`--${boundary}--\r\n`)]
}

function words(line: string): Piece {
  return { words: line, size: Buffer.byteLength(line) }
}

/** A file that has grown meanwhile is sent as it was; one that has shrunk breaks the call off. */
async function* wholeForm(pieces: readonly Piece[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    if ('words' in piece) yield Buffer.from(piece.words)
    else if (piece.size > 0) yield* await readFrom(piece)
  }
}

async function readFrom({ path, size }: Extract<Piece, { readonly path: string }>): Promise<Readable> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  return file.createReadStream({ end: size - 1 })
}

function headOf(boundary: string, { field, name, mimeType }: UploadedFile): string {
  const type = /^[\w.+-]+\/[\w.+-]+$/.test(mimeType) ? mimeType : 'application/octet-stream'
  return `--${boundary}\r\ncontent-disposition: form-data; name="${field}"; filename="${quotable(name)}"\r\ncontent-type: ${type}\r\n\r\n`
}

/** As browsers write the names of files in forms. */
function quotable(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
