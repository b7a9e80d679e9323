import { timingSafeEqual, randomBytes } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { z } from 'zod'
import { writeFileAtomically } from '../lib/atomic-write.ts'

const running = z.object({
  pid: z.number(),
  startedAt: z.number(),
  version: z.string(),
  port: z.number(),
  token: z.string(),
})

/** What a running ductor writes down about itself, readable only by its owner. */
export type RunningNote = z.infer<typeof running>

export function lockPath(home: string): string {
  return join(home, 'run', 'lock.db')
}

function notePath(home: string): string {
  return join(home, 'run', 'ductor.json')
}

/** The note of the last ductor that ran here; it may have ended since. */
export function readNote(home: string): RunningNote | undefined {
  try {
    return running.parse(JSON.parse(readFileSync(notePath(home), 'utf8')))
  } catch {
    // None has run here, or it could not finish writing: both mean that nobody can be asked.
    return undefined
  }
}

/** What the running ductor answers to the verbs of the same person on the same machine. */
export type Answers = Readonly<Record<string, (query: URLSearchParams) => unknown>>

/** Opens the control channel: HTTP on loopback, with a token that only the owner of the home folder can read. */
export async function openControl(home: string, version: string, answers: Answers): Promise<AsyncDisposable> {
  const token = randomBytes(32).toString('base64url')
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    const answer = answers[url.pathname.slice(1)]
    const allowed = equal(request.headers.authorization ?? '', `Bearer ${token}`)
    const code = allowed ? (answer === undefined ? 404 : 200) : 401
    response.writeHead(code, { 'content-type': 'application/json' })
    response.end(JSON.stringify(code === 200 ? (answer?.(url.searchParams) ?? null) : { error: code }))
  })
  const port = await listen(server)
  const note: RunningNote = { pid: process.pid, startedAt: Date.now(), version, port, token }
  await writeFileAtomically(notePath(home), JSON.stringify(note), { mode: 0o600 })
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(notePath(home), { force: true })
    },
  }
}

/** Asks the running ductor; throws when it does not answer within five seconds. */
export async function ask(note: RunningNote, question: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${note.port}/${question}`, {
    headers: { authorization: `Bearer ${note.token}` },
    signal: AbortSignal.timeout(5000),
  })
  if (!response.ok) throw new Error(`the running ductor answered ${response.status}`)
  return response.json()
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
