// Its build for browsers calls the fetch that is there; the one for Node brings an older one, unused, of 16 MB.
import { Api, GrammyError, HttpError, type ApiClientOptions } from 'grammy/web'
import { z } from 'zod'
import { postForm, type UploadedFile } from './upload.ts'

/**
 * Why a call to the Bot API did not work.
 * - `refused`: Telegram answered that it will not do it; `code` and the message say why.
 * - `unsent`: it did not get as far as Telegram.
 * - `lost`: no answer, or none that makes sense; it may have been done.
 */
export type CallFailure = 'refused' | 'unsent' | 'lost'

/** The one thing that `BotApi.call` throws. It holds neither the token nor anything of what was sent. */
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly failure: CallFailure
  /** As in HTTP; only where the call was refused. */
  readonly code: number | undefined
  readonly retryAfterMs: number | undefined
  /** The supergroup that the group has become. */
  readonly movedTo: string | undefined

  constructor(
    failure: CallFailure,
    message: string,
    facts: { readonly code?: number; readonly retryAfterMs?: number; readonly movedTo?: string } = {},
  ) {
    super(message)
    this.failure = failure
    this.code = facts.code
    this.retryAfterMs = facts.retryAfterMs
    this.movedTo = facts.movedTo
  }
}

/** grammY's own kind of signal. Its types come from a library of old; at run time it is the one that Node has. */
type Signal = NonNullable<Parameters<Api['getMe']>[0]>

export interface BotApiOptions {
  readonly token: string
  /** Without a slash at the end. */
  readonly root: string
  /** After which a call counts as lost. */
  readonly timeoutMs: number
  /** Makes a connection for each call, where one that is kept has gone deaf. */
  readonly fresh?: boolean
}

const answer = z.object({
  ok: z.boolean(),
  result: z.unknown().optional(),
  error_code: z.number().optional(),
  description: z.string().optional(),
  parameters: z
    .object({ retry_after: z.number().optional(), migrate_to_chat_id: z.number().optional() })
    .optional(),
})
type Refusal = Pick<GrammyError, 'error_code' | 'description' | 'parameters'>

/** An upload may take this long, and longer by its size. */
const uploadMs = 60_000
const slowestBytesPerMs = 100

/** Calls methods of the Bot API, each once: whoever calls knows whether a second time does harm. */
export class BotApi {
  readonly #api: Api
  readonly #root: string
  readonly #host: string
  readonly #timeoutMs: number
  readonly #token: string

  constructor({ token, root, timeoutMs, fresh = false }: BotApiOptions) {
    const ours = fresh ? freshFetch : plainFetch
    if (!isFetch(ours)) throw new TypeError('no fetch')
    this.#api = new Api(token, { apiRoot: root, timeoutSeconds: timeoutMs / 1000, fetch: ours })
    this.#root = root
    this.#host = new URL(root).host
    this.#timeoutMs = timeoutMs
    this.#token = token
  }

  /** Where the calls go, for a person to read. */
  get host(): string {
    return this.#host
  }

  /** Is it Telegram's own server, with its limits? */
  get isPublic(): boolean {
    return this.#host === 'api.telegram.org'
  }

  /** Makes one call. Throws `CallError`, also when `signal` is aborted. */
  async call<T>(run: (api: Api, signal: Signal) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (signal.aborted) throw new CallError('unsent', 'stopped before the call')
    if (!isSignal(signal)) throw new TypeError('no AbortSignal')
    try {
      return await run(this.#api, signal)
    } catch (error) {
      if (signal.aborted) throw new CallError('lost', 'stopped during the call')
      throw this.#failure(error)
    }
  }

  /** Sends files of this machine with their fields, and gives the result. Throws `CallError`, as `call` does. */
  async upload(
    method: string,
    fields: Readonly<Record<string, string>>,
    files: readonly (UploadedFile & { readonly size: number })[],
    signal: AbortSignal,
  ): Promise<unknown> {
    if (signal.aborted) throw new CallError('unsent', 'stopped before the call')
    const bytes = files.reduce((sum, { size }) => sum + size, 0)
    const limit = AbortSignal.timeout(uploadMs + Math.round(bytes / slowestBytesPerMs))
    const url = `${this.#root}/bot${this.#token}/${method}`
    try {
      const { status, body } = await postForm(url, fields, files, AbortSignal.any([signal, limit]))
      // A proxy in between may have a limit of its own, and its own way to say so.
      if (status === 413) throw this.#refusal(tooLarge)
      const { ok, result, error_code, description = '', parameters = {} } = answer.parse(JSON.parse(body))
      if (ok) return result
      throw this.#refusal({ error_code: error_code ?? 0, description, parameters: given(parameters) })
    } catch (error) {
      if (error instanceof CallError) throw error
      throw this.#failure(error instanceof z.ZodError ? new SyntaxError() : error)
    }
  }

  /** The bytes of a file that `getFile` named. Throws `CallError`; so may the reading of what it gives. */
  async download(path: string, signal: AbortSignal): Promise<Response & { readonly body: ReadableStream }> {
    const address = path.split('/').map(encodeURIComponent).join('/')
    const response = await fetch(`${this.#root}/file/bot${this.#token}/${address}`, { signal }).catch(
      (error: unknown) => {
        throw this.#failure(error)
      },
    )
    if (isWhole(response)) return response
    await response.body?.cancel()
    throw new CallError('refused', `the file is not there (${response.status})`, { code: response.status })
  }

  #failure(error: unknown): CallError {
    if (error instanceof GrammyError) return this.#refusal(error)
    const cause: unknown = error instanceof HttpError ? error.error : error
    const code = codeOf(cause)
    if (code !== undefined && isBeforeSending(code)) {
      return new CallError('unsent', `cannot reach ${this.#host} (${code})`)
    }
    if (code === undefined && (cause instanceof SyntaxError || !(error instanceof HttpError))) {
      return new CallError('lost', `${this.#host} gave an answer that makes no sense`)
    }
    const why = code ?? `none within ${Math.round(this.#timeoutMs / 1000)} s`
    return new CallError('lost', `no answer from ${this.#host} (${why})`)
  }

  #refusal({ error_code: code, description, parameters }: Refusal): CallError {
    if (!Number.isInteger(code) || code >= 500) {
      return new CallError('lost', `${this.#host} has trouble of its own (${code})`)
    }
    const { retry_after: seconds, migrate_to_chat_id: movedTo } = parameters
    return new CallError('refused', this.#tidy(description), {
      code,
      ...(seconds === undefined ? {} : { retryAfterMs: seconds * 1000 }),
      ...(movedTo === undefined ? {} : { movedTo: String(movedTo) }),
    })
  }

  /** Telegram quotes what it refuses; neither a message's text nor a token belongs into an error. */
  #tidy(description: unknown): string {
    return String(description)
      .replaceAll(this.#token, '…')
      .replaceAll(/"[^"]*"|(?<=\s)'[^']*'(?=\s|$)/g, '…')
      .replace(/^(?:Bad Request|Forbidden|Unauthorized|Conflict|Not Found): /, '')
  }
}

const tooLarge: Refusal = { error_code: 413, description: 'Request Entity Too Large', parameters: {} }

/** Without the keys that have no value. */
function given({
  retry_after,
  migrate_to_chat_id,
}: {
  readonly retry_after?: number | undefined
  readonly migrate_to_chat_id?: number | undefined
}): Refusal['parameters'] {
  return {
    ...(retry_after === undefined ? {} : { retry_after }),
    ...(migrate_to_chat_id === undefined ? {} : { migrate_to_chat_id }),
  }
}

function isWhole(response: Response): response is Response & { readonly body: ReadableStream } {
  return response.ok && response.body !== null
}

function isSignal(signal: unknown): signal is Signal {
  return signal instanceof AbortSignal
}

type GrammyFetch = NonNullable<ApiClientOptions['fetch']>

interface Request {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: string
  readonly signal: Signal
}

/**
 * Node's own fetch for grammY, which brings an older one: this one tells a connection that was never made from an
 * answer that never came, notices an answer that ends in its middle, and does not trust a connection that was idle.
 */
async function plainFetch(url: string, { method, headers, body, signal }: Request): Promise<Response> {
  const stop = new AbortController()
  if (signal.aborted) stop.abort()
  signal.addEventListener('abort', () => stop.abort(), { once: true })
  return fetch(url, { method, headers, body, signal: stop.signal })
}

function freshFetch(url: string, { headers, ...request }: Request): Promise<Response> {
  return plainFetch(url, { ...request, headers: { ...headers, connection: 'close' } })
}

/** To grammY's types, fetch is that of its library; it asks for no more than ours can do. */
function isFetch(candidate: unknown): candidate is GrammyFetch {
  return typeof candidate === 'function'
}

/** The short name of a network failure; its message may hold the address, and with it the token. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return codeOf(error.cause)
}

const unsentCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Did it fail while connecting? Then nothing of the call has left this machine. */
function isBeforeSending(code: string): boolean {
  return unsentCodes.has(code) || /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code)
}
