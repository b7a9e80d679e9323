import { z } from 'zod'
import type { PlanEntry, TurnEvent } from '../../core/provider.ts'
import { resetTime } from './failure.ts'
import { toolTitle } from './tool-words.ts'
import type { Message, PermissionQuestion, Result, Tokens } from './wire.ts'

const todos = z.object({
  todos: z.array(z.object({ content: z.string(), status: z.enum(['pending', 'in_progress', 'completed']) })),
})
const written = z.object({ file_path: z.string(), content: z.string() })

/** What a line of Claude's means: an event of the turn, or something that the session acts on. */
export type Heard =
  | Exclude<TurnEvent, { type: 'turn.ended' }>
  | { readonly type: 'question'; readonly id: string; readonly question: PermissionQuestion }
  | { readonly type: 'unsupported'; readonly id: string }
  | { readonly type: 'signed-out'; readonly words: string }
  | { readonly type: 'result'; readonly result: Result }

/** Reads what Claude says of one turn. */
export class TurnDecoder {
  readonly #streamed = new Set<string>()
  readonly #blocks = new Set<string>()
  readonly #titles = new Map<string, string>()
  readonly #told = { session: '', retry: false, limit: false, cut: false }
  #message = ''
  #plan: string | undefined
  #context: number | undefined
  #model: string | undefined
  #resetsAt: number | undefined

  /** What Claude last wrote into the file of its plan. */
  get plan(): string | undefined {
    return this.#plan
  }

  /** Tokens that the model had before it in its last call. */
  get contextTokens(): number | undefined {
    return this.#context
  }

  /** The model of the last call, by its full name. */
  get model(): string | undefined {
    return this.#model
  }

  /** When a limit that Claude told of ends, in seconds since 1970. */
  get resetsAt(): number | undefined {
    return this.#resetsAt
  }

  read(message: Message): readonly Heard[] {
    switch (message.type) {
      case 'system':
        return this.#system(message)
      case 'stream_event':
        return isSubAgent(message) ? [] : this.#stream(message)
      case 'assistant':
        return isSubAgent(message) ? [] : this.#assistant(message.message)
      case 'user':
        return isSubAgent(message) || typeof message.message.content === 'string'
          ? []
          : message.message.content.flatMap((part) =>
              part.type === 'tool_result' ? this.#tool(part.tool_use_id, part.is_error === true) : [],
            )
      case 'control_request':
        return question(message)
      case 'control_cancel_request':
        return [{ type: 'permission.withdrawn', id: message.request_id }]
      case 'rate_limit_event':
        return this.#limit(message.rate_limit_info)
      case 'control_response':
      case 'command_lifecycle':
        return []
      case 'result':
        return [{ type: 'result', result: message }]
    }
  }

  #system(message: Extract<Message, { type: 'system' }>): readonly Heard[] {
    if (message.subtype === 'init' && message.session_id && message.session_id !== this.#told.session) {
      this.#told.session = message.session_id
      return [{ type: 'session.started', sessionId: message.session_id }]
    }
    if (message.subtype === 'compact_boundary')
      return [{ type: 'notice', message: 'The conversation was long: Claude goes on with a summary of it.' }]
    if (message.subtype === 'model_fallback')
      return [{ type: 'notice', message: 'The model is not available; Claude goes on with another one.' }]
    if (message.subtype !== 'api_retry') return []
    // Claude would try ten times what cannot succeed.
    if (message.error_status === 401) return [{ type: 'signed-out', words: message.error ?? '' }]
    if (this.#told.retry) return []
    this.#told.retry = true
    const why = message.error_status ? ` (error ${message.error_status})` : ''
    return [{ type: 'notice', message: `Anthropic did not answer${why}; Claude is trying again.` }]
  }

  #limit({ status, resetsAt }: LimitInfo): readonly Heard[] {
    this.#resetsAt = resetsAt ?? this.#resetsAt
    if (status !== 'allowed_warning' || this.#told.limit) return []
    this.#told.limit = true
    return [{ type: 'notice', message: `The usage limit is near.${resetTime(resetsAt)}` }]
  }

  #stream(message: Extract<Message, { type: 'stream_event' }>): readonly Heard[] {
    const { event, abandoned_blocks: abandoned } = message
    if (abandoned) {
      this.#streamed.delete(abandoned.api_message_id)
      this.#told.cut = true
      return this.#reset((block) => {
        const [id, index] = block.split('#')
        return id === abandoned.api_message_id && Number(index) >= abandoned.from_block_index
      })
    }
    if (event.type === 'message_start') {
      this.#message = event.message.id
      this.#told.cut = false
      this.#context = inputOf(event.message.usage) ?? this.#context
      this.#model = event.message.model ?? this.#model
    }
    if (event.type !== 'content_block_delta') return []
    if (event.delta.type === 'thinking_delta') return [{ type: 'thinking', delta: event.delta.thinking }]
    if (event.delta.type !== 'text_delta') return []
    this.#streamed.add(this.#message)
    return [this.#text(event.delta.text, event.index)]
  }

  #assistant(message: Extract<Message, { type: 'assistant' }>['message']): readonly Heard[] {
    // Claude's words about an API error: the result has them, and more.
    if (message.model === '<synthetic>') return []
    return message.content.flatMap((part, index): readonly Heard[] => {
      if (part.type === 'tool_use') {
        const plan = part.name === 'TodoWrite' ? planOf(part.input) : undefined
        if (plan !== undefined) return [{ type: 'plan', entries: plan }]
        this.#notePlan(part.input)
        const title = toolTitle(part.name, part.input)
        this.#titles.set(part.id, title)
        return [{ type: 'tool', id: part.id, title, status: 'in_progress' }]
      }
      if (part.type !== 'text' || this.#streamed.has(message.id)) return []
      this.#message = message.id
      const text = this.#text(part.text, index)
      if (!this.#told.cut) return [text]
      return [text, { type: 'notice', message: 'The connection broke: this answer may not be complete.' }]
    })
  }

  #text(delta: string, index: number): Heard {
    const block = `${this.#message}#${index}`
    this.#blocks.add(block)
    return { type: 'text', delta, block }
  }

  #tool(id: string, failed: boolean): readonly Heard[] {
    const title = this.#titles.get(id)
    this.#titles.delete(id)
    return title === undefined ? [] : [{ type: 'tool', id, title, status: failed ? 'failed' : 'completed' }]
  }

  /** In plan mode Claude keeps its plan in a file of its own, and asks for leave without repeating it. */
  #notePlan(input: unknown): void {
    const file = written.safeParse(input)
    if (file.success && /[\\/]plans[\\/][^\\/]+\.md$/.test(file.data.file_path))
      this.#plan = file.data.content
  }

  #reset(isVoid: (block: string) => boolean): readonly Heard[] {
    const gone = [...this.#blocks].filter(isVoid)
    for (const block of gone) this.#blocks.delete(block)
    return gone.map((block) => ({ type: 'text.reset', block }))
  }
}

type LimitInfo = Extract<Message, { type: 'rate_limit_event' }>['rate_limit_info']

/** All tokens that went in, from the cache or not. */
export function inputOf(tokens: Tokens | null | undefined): number | undefined {
  if (typeof tokens?.input_tokens !== 'number') return undefined
  const { input_tokens: fresh, cache_creation_input_tokens: kept, cache_read_input_tokens: read } = tokens
  return fresh + (kept ?? 0) + (read ?? 0)
}

function planOf(input: unknown): readonly PlanEntry[] | undefined {
  return todos.safeParse(input).data?.todos.map(({ content, status }) => ({ text: content, status }))
}

function question(message: Extract<Message, { type: 'control_request' }>): readonly Heard[] {
  const { request_id: id, request } = message
  return [
    request.subtype === 'can_use_tool'
      ? { type: 'question', id, question: request }
      : { type: 'unsupported', id },
  ]
}

function isSubAgent(message: { readonly parent_tool_use_id?: string | null | undefined }): boolean {
  return typeof message.parent_tool_use_id === 'string'
}
