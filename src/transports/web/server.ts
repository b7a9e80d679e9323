import { createHash, timingSafeEqual } from 'node:crypto'
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { streamSSE } from 'hono/streaming'
import { z } from 'zod'
import type { Log } from '../../core/define.ts'
import type { Audience } from './audience.ts'
import type { ChatLog } from './chat-log.ts'
import { serveFiles } from './file-calls.ts'
import type { KeptFiles } from './kept-files.ts'
import { servePage } from './page-files.ts'

export interface ServerDeps {
  readonly token: string
  readonly chat: ChatLog
  readonly files: KeptFiles
  readonly audience: Audience
  readonly log: Log
  /** The `host:port` under which the page may be asked for. */
  readonly hosts: () => ReadonlySet<string>
  /** What a page is told when it comes. */
  readonly welcome: object
  /** Resolves when what the person said is stored. The same id again is the same message. */
  readonly say: (message: Saying) => Promise<void>
  readonly press: (press: Pressing) => Promise<void>
  readonly rename: (conversation: string, title: string) => boolean
  readonly forget: (conversation: string) => Promise<void>
  /** Ends streams when the transport stops. */
  readonly signal: AbortSignal
}

const id = z.string().regex(/^[\w-]{1,64}$/, 'letters, digits, _ and - are needed, at most 64')
const saying = z
  .object({
    id,
    conversation: id,
    text: z.string().max(200_000, 'at most 200,000 characters'),
    files: z.array(id).max(50, 'at most 50 files').default([]),
  })
  .refine(({ text, files }) => text.trim() !== '' || files.length > 0, 'a text or a file is needed')
export type Saying = z.infer<typeof saying>
const pressing = z.object({ id, conversation: id, token: id })
export type Pressing = z.infer<typeof pressing>
const naming = z.object({ title: z.string().trim().min(1, 'a name is needed').max(200) })

const headers: Readonly<Record<string, string>> = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data: blob:",
    'media-src blob:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
}

/** The page and its calls. Every call needs the token; none can be made from another site's page. */
export function createServer(deps: ServerDeps): Hono {
  const app = new Hono()
  app.use(async (context, next) => {
    if (!isOurs(context, deps.hosts())) return context.json({ error: 'this address is not for you' }, 403)
    await next()
    // A file that is served has a stricter policy of its own.
    for (const [name, value] of Object.entries(headers))
      if (!context.res.headers.has(name)) context.header(name, value)
    return undefined
  })
  app.onError((error, context) => {
    if (deps.signal.aborted) return context.json({ error: 'ductor is stopping' }, 503)
    if (isFull(error))
      return context.json({ error: 'The disk is full: free some space, then try again.' }, 507)
    deps.log.error({ err: error, path: context.req.path }, 'a call of the page failed')
    return context.json({ error: 'ductor itself failed; its log says more' }, 500)
  })
  servePage(app)
  app.use('/api/*', needsToken(deps.token))
  serveFiles(app, deps)
  app.use(
    '/api/*',
    bodyLimit({ maxSize: 1_000_000, onError: (context) => context.json({ error: 'too long' }, 413) }),
  )
  app.post('/api/messages', (context) => take(context, saying, deps.say))
  app.post('/api/presses', (context) => take(context, pressing, deps.press))
  serveConversations(app, deps)
  app.get('/api/stream', (context) => stream(context, deps))
  app.notFound((context) => context.json({ error: 'there is nothing here' }, 404))
  return app
}

function serveConversations(app: Hono, { chat, rename, forget }: ServerDeps): void {
  app.get('/api/conversations', (context) => context.json(chat.conversations()))
  app.get('/api/conversations/:id', (context) => {
    const before = Number(context.req.query('before'))
    return context.json(chat.page(context.req.param('id'), before > 0 ? { before } : {}))
  })
  app.post('/api/conversations/:id', (context) =>
    take(context, naming, async ({ title }) => void rename(context.req.param('id'), title)),
  )
  app.delete('/api/conversations/:id', async (context) => {
    await forget(context.req.param('id'))
    return context.json({ gone: true })
  })
}

const sqliteFull = 13

function isFull(error: Error): boolean {
  if ('errcode' in error) return error.errcode === sqliteFull
  return 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}

/** A name that leads here (DNS rebinding) is not our name, and another site's page is not our page. */
function isOurs({ req }: Context, hosts: ReadonlySet<string>): boolean {
  const origin = req.header('Origin')
  const host = req.header('Host') ?? ''
  return hosts.has(host) && (origin === undefined || origin === `http://${host}`)
}

function needsToken(token: string): MiddlewareHandler {
  const wanted = digest(`Bearer ${token}`)
  return async (context, next) => {
    const given = digest(context.req.header('Authorization') ?? '')
    if (!timingSafeEqual(given, wanted)) return context.json({ error: 'the token is missing or wrong' }, 401)
    await next()
    return undefined
  }
}

/** Of equal length whatever was given. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

async function take<T>(
  context: Context,
  schema: z.ZodType<T>,
  keep: (value: T) => Promise<void>,
): Promise<Response> {
  if (!(context.req.header('Content-Type') ?? '').startsWith('application/json')) {
    return context.json({ error: 'JSON is needed' }, 415)
  }
  const body = schema.safeParse(await context.req.json().catch(() => undefined))
  if (!body.success) return context.json({ error: z.prettifyError(body.error) }, 400)
  await keep(body.data)
  return context.json({ taken: true }, 202)
}

function stream(context: Context, { audience, signal, welcome }: ServerDeps): Response {
  return streamSSE(context, async (out) => {
    const gone = new AbortController()
    out.onAbort(() => gone.abort())
    const page = audience.join(AbortSignal.any([signal, gone.signal]))
    const pulse = setInterval(() => void out.writeSSE({ event: 'pulse', data: '' }), 15_000)
    try {
      // Only now does the page fetch the whole: what happens meanwhile is in this stream.
      await out.writeSSE({ event: 'open', data: JSON.stringify(welcome) })
      for await (const { event, data } of page) await out.writeSSE({ event, data: JSON.stringify(data) })
    } finally {
      clearInterval(pulse)
    }
  })
}
