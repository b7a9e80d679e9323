import { z } from 'zod'
import type { PlanEntry, Turn, TurnEvent } from '../../core/provider.ts'
import { CliProcess, type CliCommand } from '../cli-process.ts'
import type { ProcessLedger } from '../process-ledger.ts'
import { errorEnding, exitFailure, failed, inUse, silent, tooLong, unreachable, whyRetry } from './failure.ts'
import { inputOf, isPicture } from './input.ts'
import { sandboxWithoutAsking } from './permissions.ts'
import type { Ended, Patience } from './running-turn.ts'
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
  ledger: ProcessLedger,
  patience: Patience,
  signal: AbortSignal,
): AsyncGenerator<TurnEvent, OneShotEnd> {
  const args = [...command.args, ...argumentsOf(turn)]
  const process = await CliProcess.start({ lineLimit, ...command, args }, ledger)
  const abort = () => void process.kill(patience.killMs)
  const watch = new Watch(patience, abort)
  signal.addEventListener('abort', abort, { once: true })
  const reader = new OneShotReader(turn.resume)
  try {
    process.closeInput(wordsOf(turn))
    if (signal.aborted) abort()
    for await (const each of process.lines()) {
      if (each.type === 'line') yield* reader.read(each.text)
      if (reader.ending !== undefined) break
      watch.see(reader)
    }
  } catch {
    // Its pipe broke, by a kill for one; the exit tells the rest.
  } finally {
    watch.end()
    signal.removeEventListener('abort', abort)
    await process.kill(patience.killMs)
  }
  if (signal.aborted) return { type: 'turn.ended', stop: 'cancelled' }
  const ending = reader.ending ?? watch.verdict
  if (ending !== undefined) return ending
  const { stderr } = process
  if (turn.resume !== undefined && /no rollout found/i.test(stderr)) return 'gone'
  if (/active writer/i.test(stderr)) return failed(inUse)
  return failed(exitFailure(await process.exit, stderr))
}

/** Ends a run that would wait for ever. */
class Watch {
  readonly #patience: Patience
  readonly #act: () => void
  #retrying: NodeJS.Timeout | undefined
  #silence: NodeJS.Timeout | undefined
  #verdict: Ended | undefined

  constructor(patience: Patience, act: () => void) {
    this.#patience = patience
    this.#act = act
    this.#listenOn()
  }

  get verdict(): Ended | undefined {
    return this.#verdict
  }

  see({ retrying, toolRuns }: OneShotReader): void {
    if (toolRuns) clearTimeout(this.#silence)
    else this.#listenOn()
    if (retrying === undefined) {
      clearTimeout(this.#retrying)
      this.#retrying = undefined
    } else {
      const { retryMs } = this.#patience
      this.#retrying ??= this.#after(retryMs, unreachable(retryMs, retrying))
    }
  }

  end(): void {
    clearTimeout(this.#retrying)
    clearTimeout(this.#silence)
  }

  #listenOn(): void {
    clearTimeout(this.#silence)
    const { silenceMs } = this.#patience
    this.#silence = this.#after(silenceMs, silent(silenceMs))
  }

  #after(ms: number, verdict: Ended): NodeJS.Timeout {
    return setTimeout(() => {
      this.#verdict ??= verdict
      this.#act()
    }, ms).unref()
  }
}

/** Reads the lines of one run. */
export class OneShotReader {
  readonly #resume: string | undefined
  readonly #tools = new Set<string>()
  #retrying: string | undefined
  #told = false
  #ending: OneShotEnd | undefined

  constructor(resume: string | undefined) {
    this.#resume = resume
  }

  get ending(): OneShotEnd | undefined {
    return this.#ending
  }

  /** Codex' words about why it tries again; undefined while it gets on. */
  get retrying(): string | undefined {
    return this.#retrying
  }

  get toolRuns(): boolean {
    return this.#tools.size > 0
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
        return this.#item(parsed.item, parsed.type === 'item.completed')
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

  #item(each: Item, done: boolean): readonly TurnEvent[] {
    const events = eventsOf(each, done)
    this.#retrying = undefined
    for (const event of events)
      if (event.type === 'tool') {
        if (done) this.#tools.delete(event.id)
        else this.#tools.add(event.id)
      }
    return events
  }

  #retry(message: string): readonly TurnEvent[] {
    if (!message.startsWith('Reconnecting')) return []
    if (/\b401\b/.test(message)) this.#ending = endingOf(message)
    this.#retrying = message
    if (this.#told) return []
    this.#told = true
    return [
      { type: 'notice', message: `OpenAI did not answer${whyRetry({ message })}; Codex is trying again.` },
    ]
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
  const settings = [
    `sandbox_mode=${JSON.stringify(sandboxWithoutAsking(turn.permissionMode))}`,
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
