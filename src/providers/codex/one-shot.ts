import { z } from 'zod'
import type { PlanEntry, Turn, TurnEvent } from '../../core/provider.ts'
import { CliProcess, type CliCommand } from '../cli-process.ts'
import { errorEnding, exitFailure, failed, inUse, tooLong } from './failure.ts'
import { inputOf, isPicture } from './input.ts'
import { permissionsOf } from './permissions.ts'
import type { Ended } from './running-turn.ts'
import { toolTitle } from './tool-words.ts'

const lineLimit = 16 * 1024 * 1024

const item = z.union([
  z.object({
    type: z.enum(['agent_message', 'reasoning', 'error']),
    id: z.string(),
    text: z.string().nullish(),
  }),
  z.object({ type: z.literal('command_execution'), id: z.string(), command: z.string(), status: z.string() }),
  z.object({
    type: z.literal('file_change'),
    id: z.string(),
    changes: z.array(z.object({ path: z.string() })),
    status: z.string(),
  }),
  z.object({
    type: z.literal('mcp_tool_call'),
    id: z.string(),
    server: z.string(),
    tool: z.string(),
    status: z.string(),
  }),
  z.object({ type: z.literal('web_search'), id: z.string(), query: z.string().nullish() }),
  z.object({
    type: z.literal('todo_list'),
    items: z.array(z.object({ text: z.string(), completed: z.boolean() })),
  }),
])
type Item = z.infer<typeof item>

const line = z.discriminatedUnion('type', [
  z.object({ type: z.literal('thread.started'), thread_id: z.string() }),
  z.object({ type: z.enum(['item.started', 'item.updated', 'item.completed']), item }),
  z.object({ type: z.literal('error'), message: z.string() }),
  z.object({
    type: z.literal('turn.completed'),
    usage: z.object({ input_tokens: z.number(), output_tokens: z.number() }).nullish(),
  }),
  z.object({ type: z.literal('turn.failed'), error: z.object({ message: z.string() }).nullish() }),
])

/** How the run ended. `gone`: the session to resume is not there, and nothing was done. */
export type OneShotEnd = Ended | 'gone'

/**
 * One turn by `codex exec`, a process of its own: for a Codex whose app server does not work. Answers come whole, and
 * nobody can be asked, so what would need leave is refused.
 */
export async function* oneShot(
  turn: Turn,
  command: CliCommand,
  killMs: number,
  signal: AbortSignal,
): AsyncGenerator<TurnEvent, OneShotEnd> {
  const process = new CliProcess({ lineLimit, ...command, args: [...command.args, ...argumentsOf(turn)] })
  const abort = () => void process.kill(killMs)
  signal.addEventListener('abort', abort, { once: true })
  const reader = new OneShotReader(turn.resume)
  try {
    process.closeInput(wordsOf(turn))
    if (signal.aborted) abort()
    for await (const each of process.lines()) {
      if (each.type === 'line') yield* reader.read(each.text)
      if (reader.ending !== undefined) break
    }
  } finally {
    signal.removeEventListener('abort', abort)
    await process.kill(killMs)
  }
  if (signal.aborted) return { type: 'turn.ended', stop: 'cancelled' }
  if (reader.ending !== undefined) return reader.ending
  const { stderr } = process
  if (turn.resume !== undefined && /no rollout found/i.test(stderr)) return 'gone'
  if (/active writer/i.test(stderr)) return failed(inUse)
  return failed(exitFailure(await process.exit, stderr))
}

/** Reads the lines of one run. */
export class OneShotReader {
  readonly #resume: string | undefined
  #retried = false
  #ending: OneShotEnd | undefined

  constructor(resume: string | undefined) {
    this.#resume = resume
  }

  get ending(): OneShotEnd | undefined {
    return this.#ending
  }

  read(text: string): readonly TurnEvent[] {
    const parsed = line.safeParse(jsonOf(text)).data
    switch (parsed?.type) {
      case 'thread.started':
        // What is no id of a session begins a new one, without a word.
        if (this.#resume !== undefined && parsed.thread_id !== this.#resume) this.#ending = 'gone'
        return this.#ending === 'gone' ? [] : [{ type: 'session.started', sessionId: parsed.thread_id }]
      case 'item.started':
      case 'item.updated':
      case 'item.completed':
        return eventsOf(parsed.item, parsed.type === 'item.completed')
      case 'error':
        return this.#retry(parsed.message)
      case 'turn.completed': {
        const { usage } = parsed
        this.#ending = {
          type: 'turn.ended',
          stop: 'end_turn',
          ...(usage ? { usage: { inputTokens: usage.input_tokens, outputTokens: usage.output_tokens } } : {}),
        }
        return []
      }
      case 'turn.failed':
        this.#ending = endingOf(parsed.error?.message ?? '')
        return []
      case undefined:
        return []
    }
  }

  #retry(message: string): readonly TurnEvent[] {
    if (!message.startsWith('Reconnecting')) return []
    if (/\b401\b/.test(message)) this.#ending = endingOf(message)
    // It would wait for a network for ever.
    if (message.includes('waiting for network') && this.#retried) this.#ending = endingOf(message)
    if (this.#retried) return []
    this.#retried = true
    return [{ type: 'notice', message: 'OpenAI did not answer; Codex is trying again.' }]
  }
}

function endingOf(message: string): Ended {
  if (/context window/i.test(message)) return { type: 'turn.ended', stop: 'limit', error: tooLong }
  return errorEnding({ message }, undefined)
}

function eventsOf(each: Item, done: boolean): readonly TurnEvent[] {
  switch (each.type) {
    case 'agent_message':
      return done ? [{ type: 'text', delta: each.text ?? '', block: each.id }] : []
    case 'reasoning':
      return [{ type: 'thinking', delta: each.text ?? '' }]
    // A warning of Codex' own, about its configuration for the most part; a failure has a line of its own.
    case 'error':
      return []
    case 'todo_list':
      return [
        {
          type: 'plan',
          entries: each.items.map(({ text, completed }): PlanEntry => ({
            text,
            status: completed ? 'completed' : 'pending',
          })),
        },
      ]
    case 'command_execution':
      return tool(each.id, toolTitle({ ...each, type: 'commandExecution' }), each.status, done)
    case 'file_change': {
      const changes = each.changes.map(({ path }) => ({ path, kind: { type: 'update' }, diff: '' }))
      return tool(each.id, toolTitle({ ...each, type: 'fileChange', changes }), each.status, done)
    }
    case 'mcp_tool_call':
      return tool(each.id, toolTitle({ ...each, type: 'mcpToolCall' }), each.status, done)
    case 'web_search':
      return tool(each.id, toolTitle({ ...each, type: 'webSearch' }), 'completed', done)
  }
}

function tool(id: string, title = 'A tool', status: string, done: boolean): readonly TurnEvent[] {
  const failedOrRefused = status === 'failed' || status === 'declined'
  return [
    { type: 'tool', id, title, status: done ? (failedOrRefused ? 'failed' : 'completed') : 'in_progress' },
  ]
}

/** The prompt goes over the standard input: it has no limit there, and `ps` does not show it. */
function argumentsOf(turn: Turn): readonly string[] {
  const { sandbox } = permissionsOf(turn.permissionMode)
  const settings = [
    `sandbox_mode=${JSON.stringify(sandbox)}`,
    'approval_policy="never"',
    ...(turn.effort === undefined ? [] : [`model_reasoning_effort=${JSON.stringify(turn.effort)}`]),
    ...(turn.resume !== undefined || turn.instructions === undefined
      ? []
      : [`developer_instructions=${JSON.stringify(turn.instructions)}`]),
  ]
  const pictures = turn.attachments.filter((each) => isPicture(each) && each.path !== undefined)
  return [
    'exec',
    ...(turn.resume === undefined ? [] : ['resume']),
    '--json',
    '--skip-git-repo-check',
    ...(turn.model === undefined ? [] : ['--model', turn.model]),
    ...settings.flatMap((setting) => ['-c', setting]),
    ...pictures.flatMap(({ path = '' }) => [`--image=${path}`]),
    '--',
    ...(turn.resume === undefined ? [] : [turn.resume]),
    '-',
  ]
}

function wordsOf(turn: Turn): string {
  return inputOf(turn.prompt, turn.attachments)
    .map((part) => ('text' in part ? String(part.text) : ''))
    .join('\n')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Half a line, or the words of some other program.
    return undefined
  }
}
