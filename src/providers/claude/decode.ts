import type { TurnEvent } from '../../core/provider.ts'
import { permissionDetail, permissionTitle, toolTitle } from './tool-words.ts'
import { parseMessage, type Message, type PermissionQuestion, type Result } from './wire.ts'

/** What a line of Claude's means: an event of the turn, or something that the session acts on. */
export type Heard =
  | Exclude<TurnEvent, { type: 'turn.ended' }>
  | { readonly type: 'question'; readonly id: string; readonly question: PermissionQuestion }
  | { readonly type: 'unsupported'; readonly id: string }
  | { readonly type: 'confirmed'; readonly id: string }
  | { readonly type: 'signed-out'; readonly words: string }
  | { readonly type: 'result'; readonly result: Result }

const nonsense: Heard = {
  type: 'notice',
  message: 'Claude wrote a line that made no sense; it was left out.',
}

/** Reads the lines of one turn. */
export class TurnDecoder {
  readonly #promptId: string
  readonly #streamed = new Set<string>()
  readonly #blocks = new Set<string>()
  readonly #titles = new Map<string, string>()
  readonly #told = { session: '', retry: false, nonsense: false, cut: false }
  #message = ''
  #taken = false

  /** `promptId`: the uuid that the prompt was sent with. */
  constructor(promptId: string) {
    this.#promptId = promptId
  }

  decode(line: string): readonly Heard[] {
    const message = parseMessage(line)
    if (message === 'unknown') return []
    if (message !== undefined) return this.#read(message)
    if (this.#told.nonsense) return []
    this.#told.nonsense = true
    return [nonsense]
  }

  #read(message: Message): readonly Heard[] {
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
      case 'control_response':
        return [{ type: 'confirmed', id: message.response.request_id }]
      case 'command_lifecycle':
        if (message.command_uuid === this.#promptId && message.state !== 'queued') this.#taken = true
        return []
      case 'result':
        return this.#result(message)
    }
  }

  #system(message: Extract<Message, { type: 'system' }>): readonly Heard[] {
    if (message.subtype === 'init' && message.session_id && message.session_id !== this.#told.session) {
      this.#told.session = message.session_id
      return [{ type: 'session.started', sessionId: message.session_id }]
    }
    if (message.subtype !== 'api_retry') return []
    // Claude would try ten times what cannot succeed.
    if (message.error_status === 401) return [{ type: 'signed-out', words: message.error ?? '' }]
    if (this.#told.retry) return []
    this.#told.retry = true
    const why = message.error_status ? ` (error ${message.error_status})` : ''
    return [{ type: 'notice', message: `Anthropic did not answer${why}; Claude is trying again.` }]
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
    return title === undefined ? [] : [{ type: 'tool', id, title, status: failed ? 'failed' : 'completed' }]
  }

  #result(result: Result): readonly Heard[] {
    // The end of a turn that background work began, before ours: what it said is not our answer.
    if (result.origin?.kind === 'task-notification' && !this.#taken) return this.#reset(() => true)
    return [{ type: 'result', result }]
  }

  #reset(isVoid: (block: string) => boolean): readonly Heard[] {
    const gone = [...this.#blocks].filter(isVoid)
    for (const block of gone) this.#blocks.delete(block)
    return gone.map((block) => ({ type: 'text.reset', block }))
  }
}

/** What a person is asked. */
export function asked(id: string, { tool_name: name, input }: PermissionQuestion): TurnEvent {
  return {
    type: 'permission.requested',
    id,
    title: permissionTitle(name),
    detail: permissionDetail(name, input),
  }
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
