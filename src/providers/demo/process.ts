import { randomUUID } from 'node:crypto'
import type { Attachment } from '../../core/message.ts'
import type { PermissionAnswer, Steered, Turn, TurnEvent, UnpromptedTurn } from '../../core/provider.ts'
import { Channel } from '../channel.ts'
import type { CliProcess, Exit } from '../cli-process.ts'
import type { Line } from '../json-lines.ts'
import { reply, type Reply, type Request } from './protocol.ts'

/** From the wish to stop to the end of patience, in milliseconds. */
const patienceMs = 2000

/** A turn that the process performs. */
interface Performed {
  readonly channel: Channel<TurnEvent>
  /** Requests and questions that wait for an answer. */
  readonly asked: Set<string>
  readonly over: PromiseWithResolvers<void>
  stopping: boolean
}

type OwnTurn = Pick<UnpromptedTurn, 'id' | 'events' | 'stop'>

/** One process of the demo agent, and the turns that it performs: one at a time, in their order. */
export class DemoProcess {
  readonly #cli: CliProcess
  readonly #cwd: string
  /** False: nobody wants it. */
  readonly #receive: (turn: OwnTurn) => boolean
  readonly #turns = new Map<string, Performed>()
  readonly #steered = new Map<string, (outcome: Steered) => void>()
  #closing = false

  constructor(cli: CliProcess, cwd: string, receive: (turn: OwnTurn) => boolean) {
    this.#cli = cli
    this.#cwd = cwd
    this.#receive = receive
    void this.#listen()
  }

  get busy(): boolean {
    return this.#turns.size > 0
  }

  fits({ cwd }: Turn): boolean {
    return !this.#closing && !this.#cli.ended && cwd === this.#cwd
  }

  /** All events of the turn, its ending last. */
  async *run(turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
    const performed = this.#begin(turn.id)
    const stop = () => this.#stop(turn.id)
    signal.addEventListener('abort', stop)
    this.#send(promptOf(turn))
    if (this.#cli.ended) await this.#perish()
    if (signal.aborted) stop()
    try {
      yield* performed.channel
    } finally {
      signal.removeEventListener('abort', stop)
      // The reader left before the end: nobody may go on in its name.
      if (this.#turns.has(turn.id)) await this.close()
    }
  }

  answer(turn: string, id: string, { allow, remember }: PermissionAnswer): boolean {
    if (this.#turns.get(turn)?.asked.delete(id) !== true) return false
    this.#send({ type: 'answer', turn, id, allow, ...(remember === undefined ? {} : { remember }) })
    return true
  }

  reply(turn: string, id: string, answers: readonly (readonly string[])[]): boolean {
    if (this.#turns.get(turn)?.asked.delete(id) !== true) return false
    this.#send({ type: 'reply', turn, id, answers: answers.map((chosen) => [...chosen]) })
    return true
  }

  async interrupt(turn: string): Promise<boolean> {
    const performed = this.#turns.get(turn)
    if (performed === undefined) return false
    this.#stop(turn)
    await performed.over.promise
    return true
  }

  async steer(turn: string, text: string, attachments: readonly Attachment[]): Promise<Steered> {
    if (!this.#turns.has(turn)) return 'over'
    const id = randomUUID()
    const { promise, resolve } = Promise.withResolvers<Steered>()
    this.#steered.set(id, resolve)
    this.#send({ type: 'steer', turn, id, text, attachments: attachments.map(wired) })
    return promise.finally(() => this.#steered.delete(id))
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#cli.kill(patienceMs)
  }

  #begin(turn: string): Performed {
    const over = Promise.withResolvers<void>()
    const performed = { channel: new Channel<TurnEvent>(), asked: new Set<string>(), over, stopping: false }
    this.#turns.set(turn, performed)
    return performed
  }

  #stop(turn: string): void {
    const performed = this.#turns.get(turn)
    if (performed === undefined || performed.stopping) return
    performed.stopping = true
    this.#send({ type: 'cancel', turn })
    const late = setTimeout(() => void this.close(), patienceMs)
    void performed.over.promise.then(() => clearTimeout(late))
  }

  async #listen(): Promise<void> {
    try {
      for await (const line of this.#cli.lines()) this.#hear(line)
    } catch {
      // Its pipe broke; the exit tells the rest.
    }
    await this.#perish()
  }

  /** The process is gone, and with it all that it was about to do. */
  async #perish(): Promise<void> {
    const error = `The demo agent ended (${obituary(await this.#cli.exit, this.#cli.stderr)}).`
    for (const resolve of this.#steered.values()) resolve('over')
    for (const [turn, { stopping }] of this.#turns)
      this.#meet(turn, {
        type: 'turn.ended',
        ...(stopping || this.#closing ? { stop: 'cancelled' } : { stop: 'failed', error }),
      })
  }

  #hear(line: Line): void {
    const message = line.type === 'line' ? parse(line.text) : undefined
    if (message === undefined) return this.#wonder()
    switch (message.type) {
      case 'event':
        return this.#meet(message.turn, message.event)
      case 'begun':
        return this.#offer(message.turn)
      case 'steered':
        return this.#steered.get(message.id)?.(message.outcome)
    }
  }

  #meet(turn: string, event: TurnEvent): void {
    const performed = this.#turns.get(turn)
    if (performed === undefined) return
    performed.channel.put(event)
    switch (event.type) {
      case 'permission.requested':
      case 'question.asked':
        return void performed.asked.add(event.id)
      case 'permission.withdrawn':
        return void performed.asked.delete(event.id)
      case 'turn.ended':
        this.#turns.delete(turn)
        performed.channel.end()
        return performed.over.resolve()
      case 'session.started':
      case 'text':
      case 'text.reset':
      case 'thinking':
      case 'tool':
      case 'plan':
      case 'notice':
    }
  }

  /** The agent begins a turn by itself. */
  #offer(turn: string): void {
    const { channel } = this.#begin(turn)
    const wanted = this.#receive({ id: turn, events: channel, stop: () => this.#stop(turn) })
    if (!wanted) this.#stop(turn)
  }

  #wonder(): void {
    for (const { channel } of this.#turns.values())
      channel.put({ type: 'notice', message: 'The demo agent said something that makes no sense.' })
  }

  #send(message: Request): void {
    this.#cli.send(message)
  }
}

function promptOf(turn: Turn): Request {
  const { id, prompt: text, attachments, permissionMode, resume, instructions, model, effort } = turn
  const { grants = [] } = turn
  return {
    type: 'prompt',
    turn: id,
    text,
    attachments: attachments.map(wired),
    permissionMode,
    granted: grants.map(({ rule }) => rule),
    ...(resume === undefined ? {} : { session: resume }),
    ...(instructions === undefined ? {} : { instructions }),
    ...(model === undefined ? {} : { model }),
    ...(effort === undefined ? {} : { effort }),
  }
}

function wired({ kind, name, mimeType, size, path }: Attachment) {
  return {
    kind,
    name,
    mimeType,
    ...(size === undefined ? {} : { size }),
    ...(path === undefined ? {} : { path }),
  }
}

function parse(line: string): Reply | undefined {
  try {
    return reply.parse(JSON.parse(line))
  } catch {
    // It makes no sense: `hear` says so.
    return undefined
  }
}

function obituary(exit: Exit, stderr: string): string {
  if (exit.how === 'not-started') return exit.sentence
  const how = exit.signal ?? `exit code ${exit.code}`
  return stderr === '' ? how : `${how}: ${stderr.slice(-500)}`
}
