import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Log } from '../core/define.ts'
import { writeFileAtomically } from '../lib/atomic-write.ts'
import { isLocked } from '../lib/lock.ts'

const running = z.object({
  pid: z.number(),
  startedAt: z.number(),
  version: z.string(),
  port: z.number(),
  token: z.string(),
  /** False: it was begun without config.json, as by “ductor try”. */
  configured: z.boolean().default(true),
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
export type Answers = ReadonlyMap<string, (query: URLSearchParams) => unknown>

export interface ControlOptions {
  readonly version: string
  readonly answers: Answers
  readonly log: Log
  readonly configured?: boolean
}

/** Opens the control channel: HTTP on loopback, with a token that only the owner of the home folder can read. */
export async function openControl(
  home: string,
  { version, answers, log, configured = true }: ControlOptions,
): Promise<AsyncDisposable> {
  const token = randomBytes(32).toString('base64url')
  const server = createServer((request, response) => {
    const [code, body] = answerTo(request, token, answers, log)
    response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(body ?? null))
  })
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  const port = await listen(server)
  const note: RunningNote = { pid: process.pid, startedAt: Date.now(), version, port, token, configured }
  try {
    await writeFileAtomically(notePath(home), JSON.stringify(note), { mode: 0o600 })
  } catch (error) {
    await close()
    throw error
  }
  return {
    async [Symbol.asyncDispose]() {
      rmSync(notePath(home), { force: true })
      await close()
    },
  }
}

function answerTo(
  request: IncomingMessage,
  token: string,
  answers: Answers,
  log: Log,
): readonly [code: number, body: unknown] {
  if (!equal(request.headers.authorization ?? '', `Bearer ${token}`)) return [401, { error: 'not allowed' }]
  const url = URL.parse(request.url ?? '/', 'http://127.0.0.1')
  const answer = url === null ? undefined : answers.get(url.pathname.slice(1))
  if (url === null || answer === undefined) return [404, { error: 'no such question' }]
  try {
    return [200, answer(url.searchParams)]
  } catch (error) {
    // While it stops, the store may be closed already: a question must not bring it down.
    log.warn({ err: error, question: url.pathname }, 'a question could not be answered')
    return [500, { error: error instanceof Error ? error.message : String(error) }]
  }
}

/** What became of a question: nobody is there, nobody answers, or the answer. */
export type Asked =
  | { readonly state: 'stopped' }
  | { readonly state: 'silent'; readonly note: RunningNote | undefined; readonly why: string }
  | { readonly state: 'running'; readonly note: RunningNote; readonly answer: unknown }

/** Asks the ductor that runs on this home folder. One that is only just starting is given time to listen. */
export async function ask(home: string, question: string, patienceMs = 5000): Promise<Asked> {
  const end = Date.now() + patienceMs
  let why: string | undefined
  for (;;) {
    if (!isLocked(lockPath(home))) return { state: 'stopped' }
    const note = readNote(home)
    try {
      if (note !== undefined) return { state: 'running', note, answer: await put(note, question, end) }
      if (Date.now() > end) return { state: 'silent', note, why: 'it has not said where it listens' }
    } catch (error) {
      // The very last attempt has no time left: what the one before it met says more.
      if (Date.now() > end) return { state: 'silent', note, why: why ?? reason(error) }
      why = reason(error)
    }
    await sleep(50)
  }
}

async function put(note: RunningNote, question: string, end: number): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${note.port}/${question}`, {
    headers: { authorization: `Bearer ${note.token}` },
    signal: AbortSignal.timeout(Math.max(end - Date.now(), 1)),
  })
  if (!response.ok) throw new Error(`it answered with an error: ${await response.text()}`)
  return response.json()
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  return error.cause instanceof Error ? error.cause.message : error.message
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
