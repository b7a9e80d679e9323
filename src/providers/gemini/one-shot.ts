import { z } from 'zod'
import type { PermissionMode, Turn, TurnEvent } from '../../core/provider.ts'
import type { Patience } from '../acp-agent.ts'
import { oneLine } from '../acp-decode.ts'
import { exitSentence, refusalSentence, type Named } from '../acp-failure.ts'
import { CliProcess } from '../cli-process.ts'
import type { ProcessLedger } from '../process-ledger.ts'

type Event = Exclude<TurnEvent, { type: 'turn.ended' }>
type Ended = Extract<TurnEvent, { type: 'turn.ended' }>

const line = z.discriminatedUnion('type', [
  z.object({ type: z.literal('init'), session_id: z.string() }),
  z.object({ type: z.literal('message'), role: z.string(), content: z.string() }),
  z.object({
    type: z.literal('tool_use'),
    tool_name: z.string(),
    tool_id: z.string(),
    parameters: z.record(z.string(), z.unknown()).catch({}),
  }),
  z.object({ type: z.literal('tool_result'), tool_id: z.string(), status: z.string() }),
  z.object({ type: z.literal('error'), message: z.string() }),
  z.object({
    type: z.literal('result'),
    status: z.string(),
    error: z.object({ message: z.string() }).nullish().catch(undefined),
    stats: z.object({ input_tokens: z.number(), output_tokens: z.number() }).nullish().catch(undefined),
  }),
])
type Line = z.infer<typeof line>

const modes: Readonly<Record<PermissionMode, string>> = {
  readOnly: 'plan',
  // Where nobody can be asked, Gemini leaves out what it would have to ask for.
  ask: 'default',
  plan: 'plan',
  acceptEdits: 'auto_edit',
  bypassPermissions: 'yolo',
}

/** A turn in a process of its own, for a Gemini that cannot be talked to otherwise. It cannot ask for leave. */
export async function* oneShot(
  turn: Turn,
  signal: AbortSignal,
  {
    agent,
    command,
    env,
    patience,
    ledger,
  }: {
    readonly agent: Named
    readonly command: readonly [string, ...string[]]
    readonly env: Readonly<Record<string, string>>
    readonly patience: Patience
    readonly ledger: ProcessLedger
  },
): AsyncGenerator<TurnEvent> {
  const [program, ...first] = command
  const args = [...first, ...argumentsOf(turn)]
  const cli = await CliProcess.start({ program, args, env, cwd: turn.cwd }, ledger)
  const stop = () => void cli.kill(patience.killMs)
  signal.addEventListener('abort', stop, { once: true })
  try {
    cli.closeInput(turn.prompt)
    const message =
      'Gemini could not be kept running, so this turn runs by itself: it cannot ask for leave, and does only what it may do without.'
    yield { type: 'notice', message }
    const decoder = new OneShotDecoder(agent)
    for await (const each of cli.lines()) if (each.type === 'line') yield* decoder.read(each.text)
    const exit = await cli.exit
    if (signal.aborted) return yield { type: 'turn.ended', stop: 'cancelled' }
    const error = exitSentence(agent.name, exit, cli.stderr)
    yield decoder.ending ?? { type: 'turn.ended', stop: 'failed', error }
  } finally {
    signal.removeEventListener('abort', stop)
    await cli.kill(patience.killMs)
  }
}

class OneShotDecoder {
  ending: Ended | undefined
  readonly #agent: Named
  readonly #titles = new Map<string, string>()
  #paragraph = 0

  constructor(agent: Named) {
    this.#agent = agent
  }

  read(text: string): readonly Event[] {
    const told = parsed(text)
    return told === undefined || this.ending !== undefined ? [] : this.#events(told)
  }

  #events(told: Line): readonly Event[] {
    switch (told.type) {
      case 'init':
        return [{ type: 'session.started', sessionId: told.session_id }]
      case 'message':
        return told.role === 'assistant'
          ? [{ type: 'text', delta: told.content, block: String(this.#paragraph) }]
          : []
      case 'tool_use': {
        const { command, file_path: file } = told.parameters
        const subject = [command, file].find((each) => typeof each === 'string') ?? told.tool_name
        const title = oneLine(subject)
        this.#titles.set(told.tool_id, title)
        this.#paragraph += 1
        return [{ type: 'tool', id: told.tool_id, title, status: 'in_progress' }]
      }
      case 'tool_result': {
        const status = told.status === 'success' ? 'completed' : 'failed'
        return [{ type: 'tool', id: told.tool_id, title: this.#titles.get(told.tool_id) ?? 'A tool', status }]
      }
      case 'error':
        return [{ type: 'notice', message: told.message }]
      case 'result':
        this.ending = this.#end(told)
        return []
    }
  }

  #end({ status, error, stats }: Extract<Line, { type: 'result' }>): Ended {
    const usage = stats ? { inputTokens: stats.input_tokens, outputTokens: stats.output_tokens } : undefined
    const common = { type: 'turn.ended' as const, ...(usage ? { usage } : {}) }
    if (status === 'success') return { ...common, stop: 'end_turn' }
    const refusal = { how: 'error' as const, code: 0, message: error?.message ?? '' }
    return { ...common, stop: 'failed', error: refusalSentence(this.#agent, refusal) }
  }
}

function argumentsOf({ resume, model, permissionMode }: Turn): readonly string[] {
  return [
    '-o',
    'stream-json',
    '--approval-mode',
    modes[permissionMode],
    ...(model === undefined ? [] : ['-m', model]),
    ...(resume === undefined ? [] : ['--resume', resume]),
  ]
}

function parsed(text: string): Line | undefined {
  try {
    return line.safeParse(JSON.parse(text)).data
  } catch {
    // A line for people.
    return undefined
  }
}
