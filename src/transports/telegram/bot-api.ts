import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { Api, GrammyError, HttpError } from 'grammy'

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

/** Idle connections are closed early: one that a router has forgotten would swallow the next message. */
const idleConnectionMs = 10_000

/** Calls methods of the Bot API, each once: whoever calls knows whether a second time does harm. */
export class BotApi {
  readonly #api: Api
  readonly #host: string
  readonly #timeoutMs: number
  readonly #token: string

  constructor({ token, root, timeoutMs }: BotApiOptions) {
    const url = new URL(root)
    const Agent = url.protocol === 'https:' ? HttpsAgent : HttpAgent
    this.#api = new Api(token, {
      apiRoot: root,
      timeoutSeconds: timeoutMs / 1000,
      baseFetchConfig: { agent: new Agent({ keepAlive: true, timeout: idleConnectionMs }), compress: true },
    })
    this.#host = url.host
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
    if (code !== undefined && beforeSending(code, cause)) {
      return new CallError('unsent', `cannot reach ${this.#host} (${code})`)
    }
    if (code === 'invalid-json' || !(error instanceof HttpError)) {
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

/** The short name of a network failure; its message holds the address, and with it the token. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return 'type' in error && typeof error.type === 'string' ? error.type : undefined
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
])

/** Did it fail while connecting? Then nothing of the call has left this machine. */
function beforeSending(code: string, error: unknown): boolean {
  if (unsentCodes.has(code) || /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code))
    return true
  // node-fetch keeps nothing of a failed connection but this code and its message.
  return code === 'ETIMEDOUT' && error instanceof Error && / connect ETIMEDOUT /.test(error.message)
}
