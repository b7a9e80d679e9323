import type { PlanEntry, ToolStatus, TurnEvent, Usage } from '../../core/provider.ts'
import { diffOf, toolTitle } from './tool-words.ts'
import type { Item, Notification, TurnError } from './wire.ts'

/** What a notification means: an event of the turn, or something that the turn acts on. */
export type Heard =
  | Exclude<TurnEvent, { type: 'turn.ended' }>
  | { readonly type: 'retry'; readonly error: TurnError }
  | { readonly type: 'ended'; readonly status: string; readonly error: TurnError | undefined }

const planStatus: Readonly<Record<string, PlanEntry['status']>> = {
  inProgress: 'in_progress',
  completed: 'completed',
}

interface Block {
  readonly id: string
  /** Characters that were told of it. */
  length: number
}

/** Reads the notifications of one turn. */
export class TurnDecoder {
  /** The message that is being written: what comes instead of its end makes it void. */
  #open: Block | undefined
  readonly #diffs = new Map<string, string>()
  readonly #tools = new Set<string>()
  /** Of the whole thread, before this turn. */
  #before: { readonly input: number; readonly output: number } | undefined
  #usage: Usage = {}

  /** Of this turn, as far as it was told. */
  get usage(): Usage {
    return this.#usage
  }

  /** Does a tool run that may rightly say nothing for hours? */
  get toolRuns(): boolean {
    return this.#tools.size > 0
  }

  /** What a running file change would do. */
  diff(itemId: string): string | undefined {
    return this.#diffs.get(itemId)
  }

  decode(notification: Notification): readonly Heard[] {
    switch (notification.method) {
      case 'item/started':
        return this.#started(notification.params.item)
      case 'item/completed':
        return this.#completed(notification.params.item)
      case 'item/agentMessage/delta':
      case 'item/plan/delta':
        return this.#text(notification.params.itemId, notification.params.delta)
      case 'item/reasoning/summaryTextDelta':
      case 'item/reasoning/textDelta':
        return [{ type: 'thinking', delta: notification.params.delta }]
      case 'turn/plan/updated':
        return [{ type: 'plan', entries: notification.params.plan.map(entryOf) }]
      case 'thread/tokenUsage/updated':
        this.#count(notification.params.tokenUsage)
        return []
      case 'model/rerouted':
        return [
          {
            type: 'notice',
            message: `OpenAI answers with ${notification.params.toModel} instead of ${notification.params.fromModel}.`,
          },
        ]
      case 'error':
        // An error that ends the turn comes again with its end.
        return notification.params.willRetry ? [{ type: 'retry', error: notification.params.error }] : []
      case 'turn/completed': {
        const { status, error } = notification.params.turn
        return [{ type: 'ended', status, error: error ?? undefined }]
      }
      case 'turn/started':
      case 'thread/started':
      case 'serverRequest/resolved':
      case 'account/rateLimits/updated':
        return []
    }
  }

  #started(item: Item): readonly Heard[] {
    switch (item.type) {
      case 'agentMessage':
      case 'plan': {
        const gone = this.#drop()
        this.#open = { id: item.id, length: 0 }
        return gone
      }
      // A message that was put into the turn: Codex leaves the answer that it was writing and begins another.
      case 'userMessage':
        return this.#drop()
      case 'reasoning':
        return [{ type: 'thinking' }]
      case 'fileChange':
        this.#diffs.set(item.id, diffOf(item.changes))
        return this.#tool(item, 'in_progress')
      case 'commandExecution':
      case 'mcpToolCall':
      case 'webSearch':
      case 'imageView':
      case 'imageGeneration':
      case 'collabAgentToolCall':
        return this.#tool(item, 'in_progress')
      case 'contextCompaction':
      case 'other':
        return []
    }
  }

  #completed(item: Item): readonly Heard[] {
    switch (item.type) {
      case 'agentMessage':
      case 'plan':
        return this.#whole(item.id, item.text)
      case 'contextCompaction':
        return [
          {
            type: 'notice',
            message: 'The conversation was summed up to make room; Codex no longer has all of its words.',
          },
        ]
      case 'commandExecution':
      case 'fileChange':
      case 'mcpToolCall':
      case 'collabAgentToolCall':
        return this.#tool(
          item,
          item.status === 'failed' || item.status === 'declined' ? 'failed' : 'completed',
        )
      case 'webSearch':
      case 'imageView':
      case 'imageGeneration':
        return this.#tool(item, 'completed')
      case 'userMessage':
      case 'reasoning':
      case 'other':
        return []
    }
  }

  #text(id: string, delta: string): readonly Heard[] {
    const gone = this.#open?.id === id ? [] : this.#drop()
    this.#open ??= { id, length: 0 }
    this.#open.length += delta.length
    return [...gone, { type: 'text', delta, block: id }]
  }

  /** The message as it is in the end: told whole where its parts were not, or were others. */
  #whole(id: string, text: string): readonly Heard[] {
    const told = this.#open?.id === id ? this.#open.length : 0
    if (this.#open?.id === id) this.#open = undefined
    if (told === text.length) return []
    const whole: Heard = { type: 'text', delta: text, block: id }
    if (told === 0) return [whole]
    return [{ type: 'text.reset', block: id }, ...(text === '' ? [] : [whole])]
  }

  #drop(): readonly Heard[] {
    const open = this.#open
    this.#open = undefined
    return open === undefined || open.length === 0 ? [] : [{ type: 'text.reset', block: open.id }]
  }

  #tool(item: Exclude<Item, { type: 'other' }>, status: ToolStatus): readonly Heard[] {
    const title = toolTitle(item)
    if (title === undefined) return []
    if (status === 'in_progress') this.#tools.add(item.id)
    else {
      this.#tools.delete(item.id)
      this.#diffs.delete(item.id)
    }
    return [{ type: 'tool', id: item.id, title, status }]
  }

  /** Codex counts the tokens of the whole thread: this turn's are the difference. */
  #count({
    total,
    last,
    modelContextWindow: window,
  }: Extract<Notification, { method: 'thread/tokenUsage/updated' }>['params']['tokenUsage']): void {
    this.#before ??= {
      input: total.inputTokens - last.inputTokens,
      output: total.outputTokens - last.outputTokens,
    }
    this.#usage = {
      inputTokens: total.inputTokens - this.#before.input,
      outputTokens: total.outputTokens - this.#before.output,
      contextTokens: last.totalTokens,
      ...(window ? { contextWindow: window } : {}),
    }
  }
}

function entryOf({ step, status }: { readonly step: string; readonly status: string }): PlanEntry {
  return { text: step, status: planStatus[status] ?? 'pending' }
}
