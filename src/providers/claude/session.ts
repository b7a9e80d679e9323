import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Log } from '../../core/define.ts'
import type { PermissionAnswer, PermissionMode, Steered, Turn, TurnEvent } from '../../core/provider.ts'
import type { CliProcess } from '../cli-process.ts'
import type { Line } from '../json-lines.ts'
import { denial, grantedMode, permission, replied } from './asking.ts'
import { Controls } from './controls.ts'
import { SessionCost } from './cost.ts'
import type { Heard } from './decode.ts'
import { apiFailure, exitFailure } from './failure.ts'
import type { Carried } from './grants.ts'
import { claudeModes } from './launch.ts'
import { OpenRequests } from './open-requests.ts'
import { pictureBlocks } from './pictures.ts'
import { Scissors } from './scissors.ts'
import { duration, type SilenceLimits } from './silence.ts'
import { Speech } from './speech.ts'
import { ClaudeTurn, type Ending } from './turn.ts'
import { Turns, type OwnTurn } from './turns.ts'
import { parseMessage, type Message, type PermissionQuestion } from './wire.ts'

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
  readonly permissionMode: PermissionMode
  /** What was allowed in an earlier process. */
  readonly carried: Carried
}

/** One Claude process and the conversation that it holds: one turn of ours at a time, and those that it begins itself. */
export class ClaudeSession {
  readonly #process: CliProcess
  readonly #deps: SessionDeps
  readonly #speech: Speech
  readonly #controls: Controls
  readonly #resumed: string | undefined
  readonly #requests: OpenRequests
  readonly #scissors: Scissors
  readonly #turns: Turns
  readonly #cost: SessionCost
  #sessionId: string | undefined
  #mode: PermissionMode
  /** How many tasks run in the background. */
  #tasks = 0
  #spoke = false
  readonly #begun = Promise.withResolvers<void>()
  #spent = false

  constructor(process: CliProcess, past: Past, deps: SessionDeps) {
    this.#process = process
    this.#speech = new Speech(process, deps.oneShot)
    this.#deps = deps
    this.#resumed = past.sessionId
    this.#sessionId = past.sessionId
    this.#mode = past.permissionMode
    this.#cost = new SessionCost(past.cost)
    const { model, effort } = past
    const mode = claudeModes[past.permissionMode]
    this.#controls = new Controls((message) => process.send(message), { model, effort, mode })
    this.#requests = new OpenRequests({
      cwd: deps.cwd,
      mode: () => this.#mode,
      respond: (id, response) => this.#speech.respond(id, response),
      changed: () => this.#hold(),
    })
    this.#scissors = new Scissors({
      ...deps,
      ...deps.patience,
      process,
      controls: this.#controls,
      settle: (turn) => this.#turns.settle(turn),
      close: () => this.close(),
    })
    this.#turns = new Turns({
      cost: this.#cost,
      cut: (turn, how) => this.#scissors.cut(turn, how),
      clear: (turn) => this.#scissors.clear(turn),
      silence: deps.patience,
      heldMs: deps.patience.interruptMs,
      oneShot: deps.oneShot,
      receive: (turn) => this.#receive(turn),
      over: (turn, own) => this.#over(turn, own),
    })
    void this.#listen()
    if (!deps.oneShot) this.#controls.carryOver(past.carried)
  }

  get sessionId(): string | undefined {
    return this.#sessionId
  }

  get cost(): number | undefined {
    return this.#cost.total
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
    return !this.#process.ended && !this.#spent && !this.#deps.oneShot && this.#turns.prompted === undefined
  }

  /** Works though no turn of ours runs. */
  get busy(): boolean {
    return this.#turns.own !== undefined || (this.#tasks > 0 && !this.#process.ended)
  }

  /** Makes model, effort and permission mode those of the turn. False: only a new process can do that. */
  adapt({ model, effort, permissionMode }: Turn): Promise<boolean> {
    this.#mode = permissionMode
    return this.#controls.adapt({ model, effort, mode: claudeModes[permissionMode] })
  }

  /** What Claude answers when it is greeted; undefined where it does not. */
  greet(): Promise<unknown> {
    return this.#controls.ask({ subtype: 'initialize' }, this.#deps.patience.startMs)
  }

  /** Runs a turn; gives all its events but the last. */
  async *turn(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent, Ending> {
    const uuid = randomUUID()
    const running = new ClaudeTurn(turn.id, uuid, signal)
    const pictures = this.#deps.oneShot ? [] : await pictureBlocks(turn.attachments)
    this.#turns.prompt(running)
    const abort = () => void this.#scissors.cut(running, { by: 'person' })
    signal.addEventListener('abort', abort, { once: true })
    const speaks = this.#spoke || this.#deps.oneShot
    const start = speaks ? undefined : setTimeout(() => this.#muteFor(running), this.#deps.patience.startMs)
    try {
      if (this.#process.ended) this.#fail(exitFailure(await this.#process.exit, this.#process.stderr))
      if (speaks) this.#turns.watch(running)
      // Nothing is begun that is to be stopped.
      if (signal.aborted) this.#turns.finish(running, running.cutEnding())
      else this.#speech.prompt(turn.prompt, pictures, { uuid })
      yield* running.channel
      await this.#scissors.clear(running)
      return running.ending ?? running.failure('Claude ended without a result.')
    } finally {
      signal.removeEventListener('abort', abort)
      clearTimeout(start)
      running.silence?.end()
      // The reader left before the end: nobody may go on in its name.
      if (running.ending === undefined) await this.close()
      this.#turns.prompt(undefined)
    }
  }

  answer(turnId: string, requestId: string, answer: PermissionAnswer): boolean {
    const asked = this.#take(turnId, requestId, 'permission')
    if (asked === undefined) return false
    this.#controls.granted(grantedMode(asked.question, answer))
    this.#speech.respond(requestId, permission(asked.question, answer))
    this.#answered(asked.turn)
    return true
  }

  reply(turnId: string, questionId: string, answers: readonly (readonly string[])[]): boolean {
    const asked = this.#take(turnId, questionId, 'question')
    if (asked === undefined) return false
    this.#speech.respond(questionId, replied(asked.question, answers))
    this.#answered(asked.turn)
    return true
  }

  /** Ends the turn and keeps the process, as long as it obeys. */
  async interrupt(turnId: string): Promise<boolean> {
    const turn = this.#turns.running(turnId)
    if (turn === undefined) return false
    void this.#scissors.cut(turn, { by: 'person' })
    await turn.ended.promise
    return true
  }

  /** Claude takes it at its next step; where none comes, right after its answer, and the turn goes on until then. */
  async steer(turnId: string, prompt: string, attachments: Turn['attachments']): Promise<Steered> {
    if (this.#deps.oneShot) return 'unsupported'
    const pictures = await pictureBlocks(attachments)
    const turn = this.#turns.running(turnId)
    if (turn === undefined || turn.cut !== undefined) return 'over'
    const uuid = randomUUID()
    turn.steers.set(uuid, { words: prompt, state: 'waits' })
    this.#speech.prompt(prompt, pictures, { uuid, priority: 'next' })
    return 'taken'
  }

  async close(): Promise<void> {
    this.#spent = true
    await this.#process.kill(this.#deps.patience.killMs)
  }

  async #listen(): Promise<void> {
    try {
      for await (const line of this.#process.lines()) {
        if (this.#spent) break
        this.#hear(line)
        await this.#turns.prompted?.channel.room(mostWaiting)
        // Whoever talks without end must not keep us from ending it.
        if (this.#turns.prompted?.cut !== undefined) await setImmediate()
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
    for (const turn of this.#turns.all) turn.silence?.broken()
    if (line.type === 'too-long')
      return this.#tell(`Claude wrote a line of ${Math.round(line.bytes / 1e6)} MB; it was left out.`)
    const message = parseMessage(line.text)
    if (message === undefined) return this.#hearNonsense()
    this.#spoke = true
    const { prompted } = this.#turns
    if (prompted !== undefined && prompted.silence === undefined) this.#turns.watch(prompted)
    if (message === 'unknown') return
    this.#note(message)
    const turn = this.#turns.of(message)
    if (turn === undefined) return this.#hearNobodys(message)
    for (const heard of turn.decoder.read(message)) this.#act(turn, heard)
  }

  /** What concerns the process, whichever turn runs. */
  #note(message: Message): void {
    if (message.type === 'control_response') this.#controls.hear(message.response)
    if (message.type === 'command_lifecycle') this.#turns.hearOfPrompt(message.command_uuid, message.state)
    if (message.type !== 'system') return
    if (message.subtype === 'init') this.#begun.resolve()
    if (message.permissionMode) this.#controls.noteMode(message.permissionMode)
    if (message.subtype === 'background_tasks_changed') this.#tasks = message.tasks?.length ?? 0
  }

  #receive(turn: OwnTurn): boolean {
    const heard = this.#deps.receive(turn)
    if (!heard)
      this.#deps.log.info({ session: this.#sessionId }, 'claude spoke between turns; nobody listens')
    return heard
  }

  #over(turn: ClaudeTurn, own: boolean): void {
    this.#requests.close(turn)
    this.#scissors.noteBackground()
    if (own) this.#deps.rested(turn.id)
  }

  #hearNobodys(message: Message): void {
    if (message.type === 'control_request')
      this.#speech.respond(message.request_id, denial('Nobody is there.'))
  }

  #hearNonsense(): void {
    const turn = this.#turns.prompted ?? this.#turns.own
    if (turn === undefined || turn.toldNonsense) return
    turn.toldNonsense = true
    this.#tell('Claude wrote a line that made no sense; it was left out.')
  }

  #tell(message: string): void {
    const turn = this.#turns.own ?? this.#turns.prompted
    turn?.channel.put({ type: 'notice', message })
  }

  #act(turn: ClaudeTurn, heard: Heard): void {
    switch (heard.type) {
      case 'result':
        return this.#turns.hearResult(turn, heard.result)
      case 'question':
        return this.#ask(turn, heard.id, heard.question)
      case 'unsupported':
        return this.#speech.refuse(heard.id)
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
    const { prompted, own } = this.#turns
    const ours = prompted?.ending === undefined ? prompted : undefined
    void this.#requests.show(turn === own ? (ours ?? turn) : turn, id, question, plan)
  }

  /** Background work that asks between turns makes no turn of it: once it is answered, that is all. */
  #answered(turn: ClaudeTurn | undefined): void {
    if (turn !== undefined && turn === this.#turns.own && !turn.begun && !this.#requests.has(turn))
      this.#turns.finish(turn)
  }

  #take(turnId: string, id: string, kind: 'permission' | 'question') {
    return this.#process.ended ? undefined : this.#requests.take(turnId, id, kind)
  }

  /** Nothing more can come: whatever runs has failed. */
  #fail(error: string, mute = false): void {
    this.#spent = true
    this.#turns.fail(error, mute)
  }

  #muteFor(turn: ClaudeTurn): void {
    if (this.#spoke || turn.ending !== undefined || turn.cut !== undefined) return
    this.#fail(`Claude did not say a word for ${duration(this.#deps.patience.startMs)}.`, true)
    void this.close()
  }

  #hold(): void {
    for (const turn of this.#turns.all) turn.silence?.hold(this.#requests.size > 0)
  }
}
