import { Readable } from 'node:stream'
import type { Context, Hono } from 'hono'
import { UserError } from '../../core/user-error.ts'
import { tooLarge } from '../received-files.ts'
import type { KeptFiles } from './kept-files.ts'

/** What the page may show in itself; it cannot run anything. All else is only ever saved. */
const harmless = new Set([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'audio/mpeg',
  'audio/mp4',
  'audio/ogg',
  'audio/wav',
  'audio/webm',
  'video/mp4',
  'video/webm',
])

/** Should the system's browser ever show one of them as a page, nothing in it is live. */
const policy = "default-src 'none'; sandbox"

/** Files of the chat, both ways. Behind the token. */
export function serveFiles(app: Hono, { files }: { readonly files: KeptFiles }): void {
  app.post('/api/files', (context) => receive(context, files))
  app.get('/api/files/:id', (context) => send(context, files))
  app.delete('/api/files/:id', async (context) => {
    await files.discard(context.req.param('id'))
    return context.json({ gone: true })
  })
}

async function receive(context: Context, files: KeptFiles): Promise<Response> {
  const { body } = context.req.raw
  const name = context.req.query('name') ?? ''
  const size = Number(context.req.header('Content-Length') ?? '0')
  // What is still on its way is not read: the next call takes another connection.
  if (size > files.maxBytes)
    return context.json({ error: tooLarge(files.maxBytes) }, 413, { Connection: 'close' })
  try {
    const type = mimeType(context.req.header('Content-Type'))
    const source = body === null ? Readable.from([]) : Readable.fromWeb(body)
    return context.json(await files.receive(name, type, source), 201)
  } catch (error) {
    if (error instanceof UserError)
      return context.json({ error: error.message }, 413, { Connection: 'close' })
    throw error
  }
}

async function send(context: Context, files: KeptFiles): Promise<Response> {
  const found = await files.read(context.req.param('id') ?? '')
  if (found === undefined) return context.json({ error: 'the file is not there any more' }, 404)
  const { file, stream } = found
  return context.body(Readable.toWeb(stream), 200, {
    'Content-Type': harmless.has(file.mimeType) ? file.mimeType : 'application/octet-stream',
    'Content-Length': String(file.size),
    'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`,
    'Content-Security-Policy': policy,
  })
}

function mimeType(given = ''): string {
  const type = given.split(';')[0]?.trim().toLowerCase() ?? ''
  return /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : 'application/octet-stream'
}
