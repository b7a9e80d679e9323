import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Log } from '../../core/define.ts'
import type { PermissionAnswer, Steered, Turn, TurnEvent, UnpromptedTurn } from '../../core/provider.ts'
import type { CliProcess } from '../cli-process.ts'
import type { Line } from '../json-lines.ts'
import { denial, grantedMode, permission, replied } from './asking.ts'
import { Controls } from './controls.ts'
import type { Heard } from './decode.ts'
import { apiFailure, exitFailure, refusedResume } from './failure.ts'
import { claudeModes } from './launch.ts'
import { OpenRequests } from './open-requests.ts'
import { pictureBlocks } from './pictures.ts'
import { Scissors } from './scissors.ts'
import { duration, Silence, type SilenceLimits } from './silence.ts'
import { ClaudeTurn, type Ending } from './turn.ts'
import { parseMessage, type Message, type PermissionQuestion, type Result } from './wire.ts'

/** So many events may wait to be read; Claude waits meanwhile. */
const mostWaiting = 1000

/** Milliseconds. */
export interface Patience extends SilenceLimits {
  /** From an interrupt to its confirmation. */
  readonly interruptMs: number
  /** From SIGTERM to SIGKILL. */
  readonly killMs: number
  /** From the first prompt to the first word of a new process. */
  readonly startMs: number
}

/** A turn that Claude began, without where it belongs. */
export type OwnTurn = Omit<UnpromptedTurn, 'place' | 'strand'>

export interface SessionDeps {
  readonly log: Log
  readonly patience: Patience
  readonly cwd: string
  /** It takes one prompt as text, and ends: nothing can be asked, changed or put in. */
  readonly oneShot: boolean
  /** False: nobody wants to hear it. */
  readonly receive: (turn: OwnTurn) => boolean
  /** A turn that Claude began has ended. */
  readonly rested: (turnId: string) => void
}

/** What a new process goes on with. `cost`: US dollars that the session had cost before; undefined where nobody knows. */
export interface Past {
  readonly sessionId?: string
  readonly cost?: number
  readonly model?: string
  readonly effort?: string
  readonly permissionMode: Turn['permissionMode']
}

/** One Claude process and the conversation that it holds: one turn of ours at a time, and those that it begins itself. */
export class ClaudeSession {
  readonly #process: CliProcess
  readonly #deps: SessionDeps
  readonly #controls: Controls
  readonly #resumed: string | undefined
  readonly #requests: OpenRequests
  readonly #scissors: Scissors
  #cost: number | undefined
  #sessionId: string | undefined
  #prompted: ClaudeTurn | undefined
  /** The turn that Claude began by itself. */
  #own: ClaudeTurn | undefined
  /** How many tasks run in the background. */
  #tasks = 0
  #spoke = false
  readonly #begun = Promise.withResolvers<void>()
  #tellsOfPrompts = false
  #spent = false

  constructor(process: CliProcess, past: Past, deps: SessionDeps) {
    this.#process = process
    this.#deps = deps
    this.#resumed = past.sessionId
    this.#sessionId = past.sessionId
    this.#cost = past.cost
    const { model, effort } = past
    const mode = claudeModes[past.permissionMode]
    this.#controls = new Controls((message) => process.send(message), { model, effort, mode })
    this.#requests = new OpenRequests({
      cwd: deps.cwd,
      respond: (id, response) => this.#respond(id, response),
      changed: () => this.#hold(),
    })
    this.#scissors = new Scissors({
      ...deps,
      ...deps.patience,
      process,
      controls: this.#controls,
      settle: (turn) => this.#settle(turn),
      close: () => this.close(),
    })
    void this.#listen()
  }

  get sessionId(): string | undefined {
    return this.#sessionId
  }

  get cost(): number | undefined {
    return this.#cost
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Resolves when Claude has read all that it was started with, or has ended. */
  get begun(): Promise<void> {
    return this.#begun.promise
  }

  /** Ready for a turn. */
  get usable(): boolean {
    return !this.#process.ended && !this.#spent && !this.#deps.oneShot && this.#prompted === undefined
  }

  /** Works though no turn of ours runs. */
  get busy(): boolean {
    return this.#own !== undefined || (this.#tasks > 0 && !this.#process.ended)
  }

  /** Makes model, effort and permission mode those of the turn. False: only a new process can do that. */
  adapt({ model, effort, permissionMode }: Turn): Promise<boolean> {
    return this.#controls.adapt({ model, effort, mode: claudeModes[permissionMode] })
  }

  /** What Claude answers when it is greeted; undefined where it does not. */
  greet(): Promise<unknown> {
    return this.#controls.ask({ subtype: 'initialize' }, this.#deps.patience.startMs)
  }

  /** Runs a turn; gives all its events but the last. */
  async *turn(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent, Ending> {
    const running = new ClaudeTurn(turn.id, randomUUID(), signal)
    const pictures = this.#deps.oneShot ? [] : await pictureBlocks(turn.attachments)
    this.#prompted = running
    const abort = () => void this.#scissors.cut(running, { by: 'person' })
    signal.addEventListener('abort', abort, { once: true })
    const speaks = this.#spoke || this.#deps.oneShot
    const start = speaks ? undefined : setTimeout(() => this.#muteFor(running), this.#deps.patience.startMs)
    try {
      if (this.#process.ended) this.#fail(exitFailure(await this.#process.exit, this.#process.stderr))
      if (speaks) this.#watch(running)
      this.#say(turn.prompt, pictures, { uuid: running.promptId })
      if (signal.aborted) abort()
      yield* running.channel
      await this.#scissors.clear(running)
      return running.ending ?? running.failure('Claude ended without a result.')
    } finally {
      signal.removeEventListener('abort', abort)
      clearTimeout(start)
      running.silence?.end()
      // The reader left before the end: nobody may go on in its name.
      if (running.ending === undefined) await this.close()
      this.#prompted = undefined
    }
  }

  answer(turnId: string, requestId: string, answer: PermissionAnswer): boolean {
    const asked = this.#take(turnId, requestId, 'permission')
    if (asked === undefined) return false
    this.#controls.granted(grantedMode(asked.question, answer))
    this.#respond(requestId, permission(asked.question, answer))
    this.#answered(asked.turn)
    return true
  }

  reply(turnId: string, questionId: string, answers: readonly (readonly string[])[]): boolean {
    const asked = this.#take(turnId, questionId, 'question')
    if (asked === undefined) return false
    this.#respond(questionId, replied(asked.question, answers))
    this.#answered(asked.turn)
    return true
  }

  /** Ends the turn and keeps the process, as long as it obeys. */
  async interrupt(turnId: string): Promise<boolean> {
    const turn = this.#turnOf(turnId)
    if (turn === undefined) return false
    void this.#scissors.cut(turn, { by: 'person' })
    await turn.ended.promise
    return true
  }

  /** Claude takes it at its next step; where none comes, right after its answer, and the turn goes on until then. */
  async steer(turnId: string, prompt: string, attachments: Turn['attachments']): Promise<Steered> {
    if (this.#deps.oneShot) return 'unsupported'
    const pictures = await pictureBlocks(attachments)
    const turn = this.#turnOf(turnId)
    if (turn === undefined || turn.cut !== undefined) return 'over'
    const uuid = randomUUID()
    turn.steers.set(uuid, false)
    this.#say(prompt, pictures, { uuid, priority: 'next' })
    return 'taken'
  }

  async close(): Promise<void> {
    this.#spent = true
    await this.#process.kill(this.#deps.patience.killMs)
  }

  #say(prompt: string, pictures: readonly object[], more: object): void {
    if (this.#deps.oneShot) return this.#process.closeInput(prompt)
    const content = [{ type: 'text', text: prompt }, ...pictures]
    const message = { role: 'user', content }
    this.#process.send({ type: 'user', message, parent_tool_use_id: null, session_id: '', ...more })
  }

  async #listen(): Promise<void> {
    try {
      for await (const line of this.#process.lines()) {
        if (this.#spent) break
        this.#hear(line)
        await this.#prompted?.channel.room(mostWaiting)
        // Whoever talks without end must not keep us from ending it.
        if (this.#prompted?.cut !== undefined) await setImmediate()
      }
    } catch (error) {
      // Its pipe broke; the exit tells the rest.
      this.#deps.log.debug({ err: error }, 'the output of claude broke off')
    }
    const exit = await this.#process.exit
    this.#deps.log.debug({ exit }, 'claude ended')
    this.#controls.end()
    this.#begun.resolve()
    this.#fail(exitFailure(exit, this.#process.stderr), exit.how === 'exited' && !this.#spoke)
  }

  #hear(line: Line): void {
    this.#prompted?.silence?.broken()
    this.#own?.silence?.broken()
    if (line.type === 'too-long')
      return this.#tell(`Claude wrote a line of ${Math.round(line.bytes / 1e6)} MB; it was left out.`)
    const message = parseMessage(line.text)
    if (message === undefined) return this.#hearNonsense()
    this.#spoke = true
    if (this.#prompted !== undefined && this.#prompted.silence === undefined) this.#watch(this.#prompted)
    if (message === 'unknown') return
    this.#note(message)
    const turn = this.#turnFor(message)
    if (turn === undefined) return this.#hearNobodys(message)
    // After an answer that was complete, only what was put in can be what Claude begins with.
    if (turn.held !== undefined && begins(message))
      for (const uuid of turn.steers.keys()) turn.steers.set(uuid, true)
    for (const heard of turn.decoder.read(message)) this.#act(turn, heard)
  }

  /** What concerns the process, whichever turn runs. */
  #note(message: Message): void {
    if (message.type === 'control_response') this.#controls.hear(message.response)
    if (message.type === 'command_lifecycle') this.#hearOfPrompt(message.command_uuid, message.state)
    if (message.type !== 'system') return
    if (message.subtype === 'init') this.#begun.resolve()
    if (message.permissionMode) this.#controls.noteMode(message.permissionMode)
    if (message.subtype === 'background_tasks_changed') this.#tasks = message.tasks?.length ?? 0
  }

  /** Claude tells what becomes of the prompts that it is sent. */
  #hearOfPrompt(uuid: string, state: string): void {
    this.#tellsOfPrompts = true
    const prompted = this.#prompted
    if (prompted !== undefined && uuid === prompted.promptId) {
      if (state === 'queued') prompted.prompt = 'queued'
      if (state === 'started') {
        prompted.prompt = 'started'
        // What Claude had begun by itself has become a part of this turn.
        if (this.#own !== undefined) this.#finish(this.#own, endedWell)
      }
      if (state === 'cancelled') this.#finish(prompted, prompted.cutEnding())
    }
    for (const turn of [prompted, this.#own]) {
      if (turn?.steers.has(uuid) !== true) continue
      if (state === 'started' || state === 'completed') turn.steers.set(uuid, true)
      if (state === 'cancelled') turn.steers.delete(uuid)
      if (state === 'cancelled' && turn.held !== undefined && !turn.awaited) this.#finish(turn, turn.held)
    }
  }

  /** Whose turn a message belongs to. */
  #turnFor(message: Message): ClaudeTurn | undefined {
    if (this.#own !== undefined) return this.#own
    const turn = this.#prompted
    const waits = this.#tellsOfPrompts && turn?.prompt !== 'started'
    if (turn !== undefined && turn.ending === undefined && !waits) return turn
    return begins(message) ? this.#beginOwn() : undefined
  }

  #beginOwn(): ClaudeTurn {
    const abort = new AbortController()
    const turn = new ClaudeTurn(randomUUID(), undefined, abort.signal)
    this.#own = turn
    this.#watch(turn)
    abort.signal.addEventListener('abort', () => void this.#scissors.cut(turn, { by: 'person' }))
    const { id } = turn
    const heard = this.#deps.receive({ id, events: this.#eventsOf(turn), stop: () => abort.abort() })
    if (!heard) {
      turn.channel.end()
      this.#deps.log.info({ session: this.#sessionId }, 'claude spoke between turns; nobody listens')
    }
    return turn
  }

  async *#eventsOf(turn: ClaudeTurn): AsyncGenerator<TurnEvent> {
    try {
      yield* turn.channel
      await this.#scissors.clear(turn)
      if (turn.ending !== undefined) yield turn.ending.event
    } finally {
      if (turn.ending === undefined) void this.#scissors.cut(turn, { by: 'person' })
    }
  }

  #hearNobodys(message: Message): void {
    if (message.type === 'control_request') this.#respond(message.request_id, denial('Nobody is there.'))
  }

  #hearNonsense(): void {
    const turn = this.#prompted ?? this.#own
    if (turn === undefined || turn.toldNonsense) return
    turn.toldNonsense = true
    this.#tell('Claude wrote a line that made no sense; it was left out.')
  }

  #tell(message: string): void {
    const turn = this.#own ?? this.#prompted
    turn?.channel.put({ type: 'notice', message })
  }

  #act(turn: ClaudeTurn, heard: Heard): void {
    switch (heard.type) {
      case 'result':
        return this.#hearResult(turn, heard.result)
      case 'question':
        return this.#ask(turn, heard.id, heard.question)
      case 'unsupported':
        return this.#process.send({
          type: 'control_response',
          response: { subtype: 'error', request_id: heard.id, error: 'not supported' },
        })
      case 'signed-out':
        this.#fail(apiFailure(401, heard.words))
        return void this.close()
      case 'permission.withdrawn':
        return this.#answered(this.#requests.withdraw(heard.id))
      case 'session.started':
        turn.begun = true
        this.#noteSession(turn, heard.sessionId)
        return turn.channel.put(heard)
      case 'text':
      case 'text.reset':
      case 'thinking':
      case 'tool':
      case 'notice':
      case 'permission.requested':
      case 'plan':
      case 'question.asked':
        turn.begun = true
        return turn.channel.put(heard)
    }
  }

  #noteSession(turn: ClaudeTurn, sessionId: string): void {
    const before = this.#sessionId
    this.#sessionId = sessionId
    if (before === this.#resumed && before !== undefined && sessionId !== before)
      turn.channel.put({
        type: 'notice',
        message: 'Claude began a new conversation instead of going on with the earlier one.',
      })
  }

  #ask(turn: ClaudeTurn, id: string, question: PermissionQuestion): void {
    const { plan } = turn.decoder
    // A turn that nobody can see yet waits behind ours: whoever is here is asked.
    const ours = this.#prompted?.ending === undefined ? this.#prompted : undefined
    void this.#requests.show(turn === this.#own ? (ours ?? turn) : turn, id, question, plan)
  }

  /** Background work that asks between turns makes no turn of it: once it is answered, that is all. */
  #answered(turn: ClaudeTurn | undefined): void {
    if (turn !== undefined && turn === this.#own && !turn.begun && !this.#requests.has(turn))
      this.#finish(turn, endedWell)
  }

  #take(turnId: string, id: string, kind: 'permission' | 'question') {
    return this.#process.ended ? undefined : this.#requests.take(turnId, id, kind)
  }

  #respond(id: string, response: object): void {
    const told = { subtype: 'success', request_id: id, response }
    this.#process.send({ type: 'control_response', response: told })
  }

  #hearResult(turn: ClaudeTurn, result: Result): void {
    // An answer to nothing that this turn has begun with: it came late, and is not the answer to this prompt.
    const late = !turn.begun && !result.is_error && turn.cut === undefined && !this.#tellsOfPrompts
    if (late && !this.#deps.oneShot) return
    turn.count(result, this.#costOf(result))
    const ending = turn.endingOf(result)
    if (ending.event.stop !== 'end_turn' || !turn.awaited) return this.#finish(turn, ending)
    // A message that came too late for this answer is answered right after it, and that belongs to the turn.
    turn.held = ending
    const wait = setTimeout(() => {
      if (turn.held === ending && turn.awaited) this.#finish(turn, ending)
    }, this.#deps.patience.interruptMs)
    wait.unref()
  }

  /** Claude counts the dollars of the whole session: those of one result are the difference. */
  #costOf(result: Result): number | undefined {
    const { total_cost_usd: total } = result
    if (typeof total !== 'number' || refusedResume(result)) return undefined
    const before = this.#cost
    this.#cost = total
    return before !== undefined && total >= before ? total - before : undefined
  }

  #finish(turn: ClaudeTurn, ending: Ending): void {
    turn.ending ??= ending
    this.#settle(turn)
  }

  /** An interrupt on its way must arrive before the next prompt does, or it would hit that. */
  #settle(turn: ClaudeTurn): void {
    if (turn.ending === undefined || (turn.cut !== undefined && !turn.confirmed)) return
    this.#end(turn)
  }

  #end(turn: ClaudeTurn): void {
    turn.silence?.end()
    this.#requests.close(turn)
    turn.channel.end()
    turn.ended.resolve()
    this.#scissors.noteBackground()
    if (turn !== this.#own) return
    this.#own = undefined
    this.#deps.rested(turn.id)
  }

  /** Nothing more can come: whatever runs has failed. */
  #fail(error: string, mute = false): void {
    this.#spent = true
    for (const turn of [this.#prompted, this.#own]) {
      if (turn === undefined) continue
      const cut = turn.cut !== undefined || turn.signal.aborted
      const failure = { ...turn.failure(error), ...(mute ? { fate: 'mute' as const } : {}) }
      turn.ending ??= cut ? turn.cutEnding() : failure
      this.#end(turn)
    }
  }

  #muteFor(turn: ClaudeTurn): void {
    if (this.#spoke || turn.ending !== undefined || turn.cut !== undefined) return
    this.#fail(`Claude did not say a word for ${duration(this.#deps.patience.startMs)}.`, true)
    void this.close()
  }

  #watch(turn: ClaudeTurn): void {
    const tell = (ms: number) =>
      turn.channel.put({
        type: 'notice',
        message: `Claude has said nothing for ${duration(ms)}. It may still be at work; /stop ends it.`,
      })
    turn.silence = new Silence(
      this.#deps.patience,
      tell,
      (ms) => void this.#scissors.cut(turn, { by: 'silence', ms }),
    )
  }

  #hold(): void {
    for (const turn of [this.#prompted, this.#own]) turn?.silence?.hold(this.#requests.size > 0)
  }

  #turnOf(id: string): ClaudeTurn | undefined {
    return [this.#prompted, this.#own].find((turn) => turn?.id === id && turn.ending === undefined)
  }
}

const endedWell: Ending = { event: { type: 'turn.ended', stop: 'end_turn' } }

/** Does Claude begin something with this message, if it was quiet? */
function begins(message: Message): boolean {
  if (message.type === 'system') return message.subtype === 'init'
  if (message.type === 'control_request') return message.request.subtype === 'can_use_tool'
  return message.type === 'stream_event' || message.type === 'assistant'
}
