import { z } from 'zod'

/** The homeserver said no, in Matrix' own terms. The message holds neither token nor text of a message. */
export class MatrixError extends Error {
  override readonly name = 'MatrixError'
  readonly status: number
  /** `M_FORBIDDEN`, `M_UNKNOWN_TOKEN`, … */
  readonly code: string
  /** Of `M_UNKNOWN_TOKEN`: the device still exists and may log in again. */
  readonly softLogout: boolean
  readonly retryAfterMs: number | undefined
  /** The whole answer, for whoever knows more of it. */
  readonly answer: unknown

  constructor(
    what: string,
    status: number,
    refusal: Refusal,
    retryAfterMs: number | undefined,
    answer: unknown,
  ) {
    super(`${what}: ${refusal.errcode}${refusal.error === undefined ? '' : ` (${refusal.error})`}`)
    this.status = status
    this.code = refusal.errcode
    this.softLogout = refusal.soft_logout ?? false
    this.retryAfterMs = retryAfterMs
    this.answer = answer
  }

  /** The access token is not valid any more. */
  get deadToken(): boolean {
    return this.code === 'M_UNKNOWN_TOKEN' || this.code === 'M_MISSING_TOKEN'
  }

  /** Too much in too short a time: not done, and to be tried again after `retryAfterMs`. */
  get rateLimited(): boolean {
    return this.status === 429 || this.code === 'M_LIMIT_EXCEEDED'
  }

  /** The server is in trouble itself: the same call may succeed later. */
  get passing(): boolean {
    return this.status >= 500 || this.rateLimited
  }
}

/** No answer, or none that a Matrix homeserver would give. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Made with `path`, so that every part is encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
  /** In the place of a body that is JSON. */
  readonly file?: Blob
  readonly timeoutMs?: number
}

const refusalSchema = z.object({
  // The wish for more proof (User-Interactive Authentication) has no code of its own.
  errcode: z.string().default('M_UNAUTHORIZED'),
  error: z.string().optional().catch(undefined),
  retry_after_ms: z.number().nonnegative().optional().catch(undefined),
  soft_logout: z.boolean().optional().catch(undefined),
})

type Refusal = z.infer<typeof refusalSchema>

const usualTimeoutMs = 30_000

/** The token that takes the place of this one, which is dead; undefined where the log-in has ended. */
export type RenewToken = (dead: string) => Promise<string | undefined>

/** Talks to one homeserver, as one device or as nobody. */
export class MatrixClient {
  /** Without a slash at its end. */
  readonly base: string
  #accessToken: string | undefined
  readonly #renew: RenewToken | undefined

  constructor(base: string, accessToken?: string, renewToken?: RenewToken) {
    this.base = base.replace(/\/+$/, '')
    this.#accessToken = accessToken
    this.#renew = renewToken
  }

  /**
   * Makes one call: once, or once more with a token that was renewed. Throws `MatrixError`, `NoAnswer`, or the reason of
   * `signal`.
   */
  async call<T>(call: Call, answer: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.#renewing(() => this.#callOnce(call, answer, signal))
  }

  async #renewing<T>(work: () => Promise<T>): Promise<T> {
    const used = this.#accessToken
    try {
      return await work()
    } catch (error) {
      if (used === undefined || !(error instanceof MatrixError && error.deadToken)) throw error
      const fresh = await this.#renew?.(used)
      if (fresh === undefined) throw error
      this.#accessToken = fresh
      return work()
    }
  }

  async #callOnce<T>(call: Call, answer: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    const what = `${call.method} ${call.path}`
    const { status, text, retryAfter } = await this.#fetch(call, what, signal)
    if (status < 200 || status >= 300) throw this.#refused(what, status, text, retryAfter)
    const parsed = answer.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    throw new NoAnswer(`${what}: ${this.base} answers, but not as a Matrix homeserver does`)
  }

  /**
   * Begins to download; the signal ends that, too. Throws as `call` does while there is no answer yet, and whatever
   * `fetch` throws afterwards.
   */
  async download(where: string, signal: AbortSignal): Promise<Response> {
    return this.#renewing(() => this.#downloadOnce(where, signal))
  }

  async #downloadOnce(where: string, signal: AbortSignal): Promise<Response> {
    const what = `GET ${where}`
    let response: Response
    try {
      response = await this.#request({ method: 'GET', path: where }, signal)
    } catch (error) {
      throw new NoAnswer(`${what}: no answer from ${this.base} (${whyOf(error)})`, { cause: error })
    }
    if (response.ok) return response
    throw this.#refused(what, response.status, await response.text(), response.headers.get('retry-after'))
  }

  #refused(what: string, status: number, text: string, retryAfter: string | null): MatrixError | NoAnswer {
    const json = parseJson(text)
    const refusal = refusalSchema.safeParse(json)
    const speaksMatrix = holds(json, 'errcode') || (status === 401 && holds(json, 'flows'))
    // A proxy in front of a homeserver that is down speaks for itself, in whatever way it likes.
    if (!refusal.success || !speaksMatrix) {
      return new NoAnswer(`${what}: ${this.base} answers with HTTP status ${status}`)
    }
    const again = refusal.data.retry_after_ms ?? milliseconds(retryAfter)
    return new MatrixError(what, status, refusal.data, again, json)
  }

  async #fetch(
    call: Call,
    what: string,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly text: string; readonly retryAfter: string | null }> {
    try {
      const limit = AbortSignal.timeout(call.timeoutMs ?? usualTimeoutMs)
      const response = await this.#request(call, AbortSignal.any([signal, limit]))
      const text = await response.text()
      return { status: response.status, text, retryAfter: response.headers.get('retry-after') }
    } catch (error) {
      signal.throwIfAborted()
      throw new NoAnswer(`${what}: no answer from ${this.base} (${whyOf(error)})`, { cause: error })
    }
  }

  #request({ method, path: where, query = {}, body, file }: Call, signal: AbortSignal): Promise<Response> {
    const url = new URL(this.base + where)
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, value)
    }
    const type = body === undefined ? file?.type : 'application/json'
    return fetch(url, {
      method,
      headers: {
        ...(this.#accessToken === undefined ? {} : { authorization: `Bearer ${this.#accessToken}` }),
        ...(type === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(file === undefined ? {} : { body: file }),
      signal,
    })
  }
}

function holds(json: unknown, field: string): boolean {
  return typeof json === 'object' && json !== null && field in json
}

/** A path of the client-server API with every value encoded: path`/rooms/${room}/leave`. */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  const encoded = values.map((value) => encodeURIComponent(value.toWellFormed()))
  return `/_matrix/client/v3${String.raw({ raw: parts }, ...encoded)}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: nothing that a schema could take.
    return undefined
  }
}

/** `Retry-After` is a number of seconds or a date. */
function milliseconds(retryAfter: string | null): number | undefined {
  if (retryAfter === null) return undefined
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/** What the system called it: `fetch failed` alone helps nobody. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'it took too long'
  const cause = error.cause
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.message : error.message
}
