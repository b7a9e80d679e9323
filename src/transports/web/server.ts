import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { streamSSE } from 'hono/streaming'
import { z } from 'zod'
import type { Audience } from './audience.ts'
import type { ChatLog } from './chat-log.ts'

export interface ServerDeps {
  readonly token: string
  readonly log: ChatLog
  readonly audience: Audience
  /** The `host:port` under which the page may be asked for. */
  readonly hosts: () => ReadonlySet<string>
  /** Resolves when what the person said is stored. The same id again is the same message. */
  say(message: z.infer<typeof saying>): Promise<void>
  press(press: z.infer<typeof pressing>): Promise<void>
  /** Ends streams when the transport stops. */
  readonly signal: AbortSignal
}

const id = z.string().regex(/^[\w-]{1,64}$/, 'letters, digits, _ and - are needed, at most 64')
const saying = z.object({
  id,
  conversation: id,
  text: z.string().min(1, 'a text is needed').max(200_000, 'at most 200,000 characters'),
})
const pressing = z.object({ id, conversation: id, token: id })

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const javascript = 'text/javascript; charset=utf-8'

/** What the page is made of. It holds no secret, so anybody on this machine may read it. */
const files: Readonly<Record<string, { readonly type: string; readonly url: () => string }>> = {
  '/': { type: 'text/html; charset=utf-8', url: () => new URL('page/index.html', import.meta.url).href },
  '/app.js': { type: javascript, url: () => new URL('page/app.js', import.meta.url).href },
  '/style.css': {
    type: 'text/css; charset=utf-8',
    url: () => new URL('page/style.css', import.meta.url).href,
  },
  '/lib/preact.js': { type: javascript, url: () => import.meta.resolve('preact') },
  '/lib/htm.js': { type: javascript, url: () => import.meta.resolve('htm') },
}

/** The page and its calls. Every call needs the token; none can be made from another site's page. */
export function createServer(deps: ServerDeps): Hono {
  const app = new Hono()
  app.use(async (context, next) => {
    if (!isOurs(context, deps.hosts())) return context.json({ error: 'this address is not for you' }, 403)
    await next()
    context.header('Content-Security-Policy', policy)
    context.header('Referrer-Policy', 'no-referrer')
    context.header('X-Content-Type-Options', 'nosniff')
    context.header('Cache-Control', 'no-store')
    return undefined
  })
  for (const [path, { type, url }] of Object.entries(files)) {
    app.get(path, async (context) =>
      context.body(await readFile(fileURLToPath(url())), 200, { 'Content-Type': type }),
    )
  }
  app.use('/api/*', needsToken(deps.token))
  app.use(
    '/api/*',
    bodyLimit({ maxSize: 1_000_000, onError: (context) => context.json({ error: 'too long' }, 413) }),
  )
  app.get('/api/conversations', (context) => context.json(deps.log.conversations()))
  app.get('/api/conversations/:id', (context) => context.json(deps.log.messages(context.req.param('id'))))
  app.post('/api/messages', (context) => take(context, saying, (message) => deps.say(message)))
  app.post('/api/presses', (context) => take(context, pressing, (press) => deps.press(press)))
  app.get('/api/stream', (context) => stream(context, deps))
  app.notFound((context) => context.json({ error: 'there is nothing here' }, 404))
  return app
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

function stream(context: Context, { audience, signal }: ServerDeps): Response {
  return streamSSE(context, async (out) => {
    const gone = new AbortController()
    out.onAbort(() => gone.abort())
    const page = audience.join(AbortSignal.any([signal, gone.signal]))
    const pulse = setInterval(() => void out.writeSSE({ event: 'pulse', data: '' }), 15_000)
    try {
      // Only now does the page fetch the whole: what happens meanwhile is in this stream.
      await out.writeSSE({ event: 'open', data: '' })
      for await (const { event, data } of page) await out.writeSSE({ event, data: JSON.stringify(data) })
    } finally {
      clearInterval(pulse)
    }
  })
}
