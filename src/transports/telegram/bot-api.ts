import { Api, GrammyError, HttpError, type ApiClientOptions } from 'grammy'

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
}

/** Calls methods of the Bot API, each once: whoever calls knows whether a second time does harm. */
export class BotApi {
  readonly #api: Api
  readonly #host: string
  readonly #timeoutMs: number
  readonly #token: string

  constructor({ token, root, timeoutMs }: BotApiOptions) {
    if (!isFetch(plainFetch)) throw new TypeError('no fetch')
    this.#api = new Api(token, { apiRoot: root, timeoutSeconds: timeoutMs / 1000, fetch: plainFetch })
    this.#host = new URL(root).host
    this.#timeoutMs = timeoutMs
    this.#token = token
  }

  /** Where the calls go, for a person to read. */
  get host(): string {
    return this.#host
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

  #refusal({ error_code: code, description, parameters }: GrammyError): CallError {
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
