import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
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
 * Posts a form with a file, as it is read from the disk. The answer counts as soon as it comes, also where the server
 * does not wait for the end of the file. (`fetch` fails outside of its promise then.) Throws what Node throws.
 */
export async function postForm(
  url: string,
  fields: Readonly<Record<string, string>>,
  file: UploadedFile,
  signal: AbortSignal,
): Promise<Answer> {
  const boundary = `ductor-${randomUUID()}`
  const head = Buffer.from(headOf(boundary, fields, file))
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  const { size } = await stat(file.path)
  const call = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, {
    method: 'POST',
    signal,
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': head.length + size + tail.length,
    },
  })
  const answered = Promise.withResolvers<IncomingMessage>()
  call.once('response', answered.resolve)
  call.once('error', answered.reject)
  const sending = pipeline(Readable.from(wholeForm(head, file.path, size, tail)), call)
  // Where the server answers early and hangs up, its answer says why; without one, this says it.
  sending.catch(answered.reject)
  const response = await answered.promise
  try {
    return { status: response.statusCode ?? 0, body: await text(response) }
  } finally {
    call.destroy()
  }
}

/** A file that has grown meanwhile is sent as it was; one that has shrunk breaks the call off. */
async function* wholeForm(head: Buffer, path: string, size: number, tail: Buffer): AsyncGenerator<Buffer> {
  yield head
  if (size > 0) yield* createReadStream(path, { end: size - 1 })
  yield tail
}

function headOf(
  boundary: string,
  fields: Readonly<Record<string, string>>,
  { field, name, mimeType }: UploadedFile,
): string {
  const parts = Object.entries(fields).map(
    ([key, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${key}"\r\n\r\n${value}\r\n`,
  )
  const type = /^[\w.+-]+\/[\w.+-]+$/.test(mimeType) ? mimeType : 'application/octet-stream'
  const about = `--${boundary}\r\ncontent-disposition: form-data; name="${field}"; filename="${quotable(name)}"\r\ncontent-type: ${type}\r\n\r\n`
  return [...parts, about].join('')
}

/** As browsers write the names of files in forms. */
function quotable(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
