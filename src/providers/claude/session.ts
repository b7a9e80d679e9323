import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../core/define.ts'
import type { PermissionAnswer, Turn, TurnEvent, Usage } from '../../core/provider.ts'
import type { CliProcess } from '../cli-process.ts'
import type { Line } from '../json-lines.ts'
import { stillRunning, treeOf, type NotedProcess } from '../kill-tree.ts'
import { Channel } from '../channel.ts'
import { asked, TurnDecoder, type Heard } from './decode.ts'
import { apiFailure, exitFailure, refusedResume, resultFailure } from './failure.ts'
import { parseMessage, type PermissionQuestion, type Result } from './wire.ts'

type Ended = Extract<TurnEvent, { type: 'turn.ended' }>

/** How a turn ended. `refused`: the session to resume is not there, and nothing was done. */
export interface Ending {
  readonly event: Ended
  readonly refused: boolean
}

/** Milliseconds. */
export interface Patience {
  /** From an interrupt to its confirmation. */
  readonly interruptMs: number
  /** From SIGTERM to SIGKILL. */
  readonly killMs: number
}

interface Running {
  readonly channel: Channel<TurnEvent>
  readonly decoder: TurnDecoder
  readonly questions: Map<string, PermissionQuestion>
  readonly signal: AbortSignal
  readonly before: readonly NotedProcess[]
  tools: readonly NotedProcess[]
  interrupt?: string
  confirmed: boolean
  ending?: Ending
}

/** One Claude process and the conversation that it holds. One turn at a time. */
export class ClaudeSession {
  readonly #process: CliProcess
  readonly #log: Log
  readonly #patience: Patience
  /** Dollars that the session had cost before; undefined where nobody knows. */
  #cost: number | undefined
  #sessionId: string | undefined
  #running: Running | undefined
  /** Claude began something between our turns that has not ended. */
  #stray = false
  #spent = false

  constructor(
    process: CliProcess,
    past: { readonly sessionId?: string; readonly cost?: number },
    log: Log,
    patience: Patience,
  ) {
    this.#process = process
    this.#log = log
    this.#patience = patience
    this.#sessionId = past.sessionId
    this.#cost = past.cost
    void this.#listen()
  }

  get sessionId(): string | undefined {
    return this.#sessionId
  }

  get cost(): number | undefined {
    return this.#cost
  }

  /** Ready for a turn. */
  get usable(): boolean {
    return !this.#process.ended && !this.#spent && !this.#stray && this.#running === undefined
  }

  /** Runs a turn; gives all its events but the last. */
  async *turn(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent, Ending> {
    const { pid } = this.#process
    const promptId = randomUUID()
    const running: Running = {
      channel: new Channel(),
      decoder: new TurnDecoder(promptId),
      questions: new Map(),
      signal,
      before: pid === undefined ? [] : await treeOf(pid),
      tools: [],
      confirmed: false,
    }
    this.#running = running
    const abort = () => void this.#abort(running)
    signal.addEventListener('abort', abort, { once: true })
    try {
      if (this.#process.ended)
        this.#fail(running, exitFailure(await this.#process.exit, this.#process.stderr))
      this.#process.send({
        type: 'user',
        message: { role: 'user', content: [{ type: 'text', text: turn.prompt }] },
        parent_tool_use_id: null,
        session_id: '',
        uuid: promptId,
      })
      if (signal.aborted) abort()
      yield* running.channel
      if (signal.aborted) await this.#clearTools(running)
      return running.ending ?? failed('Claude ended without a result.')
    } finally {
      signal.removeEventListener('abort', abort)
      // The reader left before the end: nobody may go on in its name.
      if (running.ending === undefined) await this.close()
      this.#running = undefined
    }
  }

  answer(requestId: string, answer: PermissionAnswer): boolean {
    const question = this.#running?.questions.get(requestId)
    if (question === undefined || this.#process.ended) return false
    this.#running?.questions.delete(requestId)
    this.#respond(requestId, answer.allow ? allowed(question, answer) : denied(answer.reason))
    return true
  }

  async close(): Promise<void> {
    this.#spent = true
    await this.#process.kill(this.#patience.killMs)
  }

  async #listen(): Promise<void> {
    try {
      for await (const line of this.#process.lines()) this.#hear(line)
    } catch (error) {
      // Its pipe broke; the exit tells the rest.
      this.#log.debug({ err: error }, 'the output of claude broke off')
    }
    const exit = await this.#process.exit
    const { stderr } = this.#process
    this.#log.debug({ exit }, 'claude ended')
    if (this.#running !== undefined) this.#fail(this.#running, exitFailure(exit, stderr))
  }

  #hear(line: Line): void {
    const running = this.#running
    if (running === undefined || (running.ending !== undefined && running.interrupt === undefined))
      return this.#hearStray(line)
    if (line.type === 'too-long')
      return running.channel.put({
        type: 'notice',
        message: `Claude wrote a line of ${Math.round(line.bytes / 1e6)} MB; it was left out.`,
      })
    for (const heard of running.decoder.decode(line.text)) this.#act(running, heard)
  }

  /** Background work has its say between turns. It must not pass for the answer to the next prompt. */
  #hearStray(line: Line): void {
    const message = line.type === 'line' ? parseMessage(line.text) : undefined
    if (message === undefined || message === 'unknown') return
    if (message.type === 'control_request')
      return this.#respond(message.request_id, denied('Nobody is there.'))
    if (message.type === 'system' && message.subtype === 'init') this.#stray = true
    if (message.type !== 'result') return
    this.#stray = false
    this.#cost = message.total_cost_usd ?? this.#cost
    this.#log.info({ session: this.#sessionId }, 'claude spoke between turns; it was dropped')
  }

  #act(running: Running, heard: Heard): void {
    switch (heard.type) {
      case 'result':
        return this.#finish(running, this.#endingOf(heard.result, running.signal))
      case 'question':
        return this.#ask(running, heard.id, heard.question)
      case 'unsupported':
        return this.#process.send({
          type: 'control_response',
          response: { subtype: 'error', request_id: heard.id, error: 'not supported' },
        })
      case 'confirmed':
        running.confirmed ||= heard.id === running.interrupt
        return this.#settle(running)
      case 'signed-out':
        this.#fail(running, apiFailure(401, heard.words))
        return void this.close()
      case 'permission.withdrawn':
        if (running.questions.delete(heard.id)) running.channel.put(heard)
        return
      case 'session.started':
        this.#sessionId = heard.sessionId
        return running.channel.put(heard)
      case 'text':
      case 'text.reset':
      case 'thinking':
      case 'tool':
      case 'notice':
      case 'permission.requested':
      case 'plan':
      case 'question.asked':
        return running.channel.put(heard)
    }
  }

  #ask(running: Running, id: string, question: PermissionQuestion): void {
    // Yes or no is no answer to it.
    if (question.tool_name === 'AskUserQuestion')
      return this.#respond(id, denied('Put the question into your answer; the person will reply to it.'))
    running.questions.set(id, question)
    running.channel.put(asked(id, question))
  }

  #respond(id: string, response: object): void {
    this.#process.send({
      type: 'control_response',
      response: { subtype: 'success', request_id: id, response },
    })
  }

  #endingOf(result: Result, signal: AbortSignal): Ending {
    const usage = this.#usageOf(result)
    const common = { type: 'turn.ended' as const, usage, ...(result.result ? { text: result.result } : {}) }
    if (signal.aborted) return { event: { type: 'turn.ended', stop: 'cancelled', usage }, refused: false }
    const reason = result.terminal_reason
    if (reason === 'max_turns' || reason === 'budget_exhausted')
      return { event: { ...common, stop: 'limit', error: (result.errors ?? []).join(' ') }, refused: false }
    if (result.is_error) return failed(resultFailure(result), usage, refusedResume(result))
    if (reason && reason !== 'completed')
      return failed(`Claude stopped early (${reason}). Send it again.`, usage)
    const stop = result.stop_reason === 'refusal' ? 'refusal' : 'end_turn'
    return { event: { ...common, stop }, refused: false }
  }

  /** Claude counts the dollars of the whole session: this turn's are the difference. */
  #usageOf(result: Result): Usage {
    const { usage, total_cost_usd: total } = result
    const known = typeof total === 'number' && this.#cost !== undefined && total >= this.#cost
    const costUsd = known ? total - (this.#cost ?? 0) : undefined
    if (typeof total === 'number' && !refusedResume(result)) this.#cost = total
    return {
      ...(typeof usage?.input_tokens === 'number' ? { inputTokens: usage.input_tokens } : {}),
      ...(typeof usage?.output_tokens === 'number' ? { outputTokens: usage.output_tokens } : {}),
      ...(costUsd === undefined ? {} : { costUsd }),
    }
  }

  #finish(running: Running, ending: Ending): void {
    if (running.ending !== undefined) return
    running.ending = ending
    this.#settle(running)
  }

  /** An interrupt on its way must arrive before the next prompt does, or it would hit that. */
  #settle(running: Running): void {
    if (running.ending === undefined) return
    if (running.interrupt === undefined || running.confirmed) running.channel.end()
  }

  #fail(running: Running, error: string): void {
    this.#spent = true
    const stop = running.signal.aborted ? 'cancelled' : 'failed'
    running.ending ??=
      stop === 'failed' ? failed(error) : { event: { type: 'turn.ended', stop }, refused: false }
    running.channel.end()
  }

  async #abort(running: Running): Promise<void> {
    const { pid } = this.#process
    if (running.ending !== undefined || pid === undefined) return
    running.interrupt = randomUUID()
    // Before the interrupt: what a dead shell leaves behind cannot be found any more.
    running.tools = (await treeOf(pid)).filter(
      ({ pid: tool }) => !running.before.some((old) => old.pid === tool),
    )
    running.questions.clear()
    this.#process.send({
      type: 'control_request',
      request_id: running.interrupt,
      request: { subtype: 'interrupt' },
    })
    await sleep(this.#patience.interruptMs, undefined, { ref: false })
    if (this.#running !== running || (running.ending !== undefined && running.confirmed)) return
    this.#log.warn({ pid }, 'claude did not confirm the interrupt and is killed')
    await this.close()
  }

  /** Whatever the aborted turn had started and Claude left running goes, and Claude with it. */
  async #clearTools(running: Running): Promise<void> {
    const end = Date.now() + this.#patience.killMs
    while ((await stillRunning(running.tools)).length > 0) {
      if (Date.now() > end) return await this.close()
      await sleep(20)
    }
  }
}

function allowed(question: PermissionQuestion, answer: PermissionAnswer): object {
  const suggestions = question.permission_suggestions ?? []
  return {
    behavior: 'allow',
    updatedInput: question.input,
    // For this session alone: an answer in a chat must not change the files of the project.
    ...(answer.remember === true
      ? { updatedPermissions: suggestions.map((each) => ({ ...each, destination: 'session' })) }
      : {}),
  }
}

function denied(reason = 'The person said no.'): object {
  return { behavior: 'deny', message: reason }
}

function failed(error: string, usage?: Usage, refused = false): Ending {
  return { event: { type: 'turn.ended', stop: 'failed', error, ...(usage ? { usage } : {}) }, refused }
}
