import type { TurnEvent, Usage } from '../core/provider.ts'
import type { ToolCall, Update } from './acp-wire.ts'

const titleLimit = 80
/** After a pause that long, what is told may be a retry of what was cut off. Milliseconds. */
const retellingPauseMs = 1000
/** What each update counts for, beside its letters: it is kept, too. */
const lettersForEach = 16
/** So many letters must agree before a new beginning that then goes another way counts as a retelling. */
const retellingLetters = 16

type Event = Exclude<TurnEvent, { type: 'turn.ended' }>
type ToolEvent = Extract<TurnEvent, { type: 'tool' }>

/** What was told of a block, and what may be its second telling. */
interface Block {
  text: string
  lastAt: number
  again: string
}

/** Reads the updates of one turn. */
export class AcpDecoder {
  readonly #now: () => number
  readonly #tools = new Map<string, ToolCall>()
  readonly #shown = new Map<string, ToolEvent>()
  readonly #block: Block & { id: string | undefined } = { id: undefined, text: '', lastAt: 0, again: '' }
  /** Told dollars of the session so far, where the last update said it. */
  cost: number | undefined
  #usage: Usage = {}
  #paragraph = 0
  #inText = false
  #letters = 0

  /** `now`: milliseconds of a clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Tokens that the session takes, as far as the agent has said. */
  get usage(): Usage {
    return this.#usage
  }

  /** How much text the turn has brought. */
  get letters(): number {
    return this.#letters
  }

  get busyWithTool(): boolean {
    return [...this.#shown.values()].some(({ status }) => status === 'in_progress')
  }

  /** The commands that the tools of this turn run. */
  get commands(): readonly string[] {
    return [...this.#tools.values()].flatMap((tool) => commandOf(tool) ?? [])
  }

  read(update: Update): readonly Event[] {
    this.#letters += lettersForEach
    switch (update.sessionUpdate) {
      case 'agent_message_chunk':
        return update.content.type === 'text' ? this.#text(update.content.text, update.messageId) : []
      case 'agent_thought_chunk':
        this.#inText = false
        if (update.content.type !== 'text') return []
        this.#letters += update.content.text.length
        return [{ type: 'thinking', delta: update.content.text }]
      case 'tool_call':
      case 'tool_call_update':
        this.#inText = false
        return this.tool(update)
      case 'plan':
        this.#inText = false
        return [
          {
            type: 'plan',
            entries: update.entries.map(({ content, status }) => ({ text: content, status })),
          },
        ]
      case 'usage_update':
        this.#usage = { contextTokens: update.used, contextWindow: update.size }
        if (update.cost?.currency === 'USD') this.cost = update.cost.amount
        return []
      case 'user_message_chunk':
      case 'config_option_update':
      case 'current_mode_update':
      case 'available_commands_update':
        return []
    }
  }

  /** All that is known of a tool, this included. */
  merge(call: ToolCall): ToolCall {
    const known = this.#tools.get(call.toolCallId)
    const merged = {
      toolCallId: call.toolCallId,
      title: call.title ?? known?.title,
      kind: call.kind ?? known?.kind,
      status: call.status ?? known?.status,
      content: call.content?.length ? call.content : known?.content,
      locations: call.locations?.length ? call.locations : known?.locations,
      rawInput: { ...known?.rawInput, ...call.rawInput },
    }
    // Of a tool that has ended nobody asks what it was to do; that may be large.
    const over = merged.status === 'completed' || merged.status === 'failed'
    const { toolCallId, title, kind, status } = merged
    this.#tools.set(toolCallId, over ? { toolCallId, title, kind, status } : merged)
    return merged
  }

  /** A tool begins with whichever is told first: the call, a change of it, or the request to allow it. */
  tool(call: ToolCall): readonly Event[] {
    const { title, status } = this.merge(call)
    const event: ToolEvent = {
      type: 'tool',
      id: call.toolCallId,
      title: oneLine(title ?? 'A tool'),
      status: status === 'completed' || status === 'failed' ? status : 'in_progress',
    }
    const shown = this.#shown.get(event.id)
    return shown?.title === event.title && shown.status === event.status ? [] : [this.#show(event)]
  }

  /** A tool that was not allowed: not every agent says what became of it. */
  refused(id: string): readonly Event[] {
    const shown = this.#shown.get(id)
    return shown?.status === 'in_progress' ? [this.#show({ ...shown, status: 'failed' })] : []
  }

  /** The tools that still run, as failed: the turn that they belong to is over. */
  abandoned(): readonly Event[] {
    const open = [...this.#shown.values()].filter(({ status }) => status === 'in_progress')
    return open.map((shown) => this.#show({ ...shown, status: 'failed' }))
  }

  #show(event: ToolEvent): ToolEvent {
    this.#shown.set(event.id, event)
    return event
  }

  /** What was held back because it might have been told before. */
  flush(): readonly Event[] {
    const { id, again, text } = this.#block
    this.#block.again = ''
    if (again === '' || id === undefined || text.startsWith(again)) return []
    return [{ type: 'text', delta: again, block: id }]
  }

  #text(delta: string, messageId: string | null | undefined): readonly Event[] {
    if (delta === '') return []
    this.#letters += delta.length
    if (messageId !== undefined && messageId !== null) return this.#named(delta, messageId)
    if (!this.#inText) this.#paragraph += 1
    this.#inText = true
    return [{ type: 'text', delta, block: String(this.#paragraph) }]
  }

  /** An agent whose stream broke tells the message again from its start, and does not say so. */
  #named(delta: string, id: string): readonly Event[] {
    const block = this.#block
    const now = this.#now()
    const paused = now - block.lastAt >= retellingPauseMs
    block.lastAt = now
    if (block.id !== id) {
      const before = this.flush()
      Object.assign(block, { id, text: delta, again: '' })
      return [...before, { type: 'text', delta, block: id }]
    }
    const fromTheStart = paused && block.text.startsWith(delta)
    if (block.again === '' && !fromTheStart) {
      block.text += delta
      return [{ type: 'text', delta, block: id }]
    }
    block.again = fromTheStart ? delta : block.again + delta
    // All of it was told again: from here on it is new.
    if (block.again === block.text) block.again = ''
    if (block.text.startsWith(block.again)) return []
    return this.#decide(block, id)
  }

  #decide(block: Block, id: string): readonly Event[] {
    const { text, again } = block
    block.again = ''
    if (again.startsWith(text)) {
      block.text = again
      return [{ type: 'text', delta: again.slice(text.length), block: id }]
    }
    if (agreeing(text, again) >= retellingLetters) {
      block.text = again
      return [
        { type: 'text.reset', block: id },
        { type: 'text', delta: again, block: id },
      ]
    }
    block.text += again
    return [{ type: 'text', delta: again, block: id }]
  }
}

/** The command that a tool runs, where it runs one and the agent tells it. */
export function commandOf({ kind, rawInput, title }: ToolCall): string | undefined {
  const command = rawInput?.['command']
  if (typeof command === 'string') return command
  if (Array.isArray(command)) return command.join(' ')
  return kind === 'execute' && title ? title : undefined
}

export function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > titleLimit ? `${line.slice(0, titleLimit - 1)}…` : line
}

function agreeing(one: string, other: string): number {
  let length = 0
  while (length < one.length && one[length] === other[length]) length += 1
  return length
}
