import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Event, Prompt } from './protocol.ts'
import type { Session } from './sessions.ts'

type Ended = Extract<Event, { type: 'turn.ended' }>
type Asked = Extract<Event, { type: 'question.asked' }>['questions']
type Answered = readonly (readonly string[])[]

/** What an act is performed on. */
export interface Boards {
  readonly prompt: Prompt
  readonly session: Session
  /** The commands that were allowed for the rest of the session. */
  readonly remembered: Set<string>
  readonly emit: (event: Event) => void
  /** Performs a script later, as a turn of its own. */
  readonly later: (ms: number, script: string) => void
  /** The first word was said. */
  readonly spoke: () => void
}

/** One turn of the demo agent, as it is performed. */
export class Act {
  readonly boards: Boards
  /** How it will end, unless it is cancelled. */
  ending: Omit<Ended, 'type'> = { stop: 'end_turn' }
  /** May a message be put into it? */
  steerable = true
  readonly #steps: string[]
  readonly #cancel = new AbortController()
  readonly #permits = new Map<string, PromiseWithResolvers<{ allow: boolean; remember?: boolean }>>()
  readonly #questions = new Map<string, PromiseWithResolvers<Answered>>()
  #blocks = 0

  constructor(boards: Boards) {
    this.boards = boards
    this.#steps = stepsOf(boards.prompt.text)
  }

  get cancelled(): boolean {
    return this.#cancel.signal.aborted
  }

  get signal(): AbortSignal {
    return this.#cancel.signal
  }

  cancel(): void {
    this.#cancel.abort()
    for (const { resolve } of this.#permits.values()) resolve({ allow: false })
    for (const { resolve } of this.#questions.values()) resolve([])
  }

  /** Its steps, one after another, and those that are put into it meanwhile. */
  *steps(): Generator<string> {
    while (!this.cancelled) {
      const step = this.#steps.shift()
      if (step === undefined) return
      yield step
    }
  }

  steer(script: string): void {
    this.#steps.unshift(...stepsOf(script))
  }

  permit(id: string, answer: { allow: boolean; remember?: boolean }): void {
    this.#permits.get(id)?.resolve(answer)
  }

  reply(id: string, answers: Answered): void {
    this.#questions.get(id)?.resolve(answers)
  }

  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.signal }).catch(() => {
      // Cancelled: whoever waits looks at `cancelled` next.
    })
  }

  /** Says it word by word, in a block of its own. */
  async speak(text: string, pauseMs = 0): Promise<string> {
    this.boards.spoke()
    this.#blocks += 1
    const block = String(this.#blocks)
    for (const delta of text.match(/\S+\s*|\s+/g) ?? [text]) {
      if (this.cancelled) break
      this.boards.emit({ type: 'text', delta, block })
      if (pauseMs > 0) await this.pause(pauseMs)
    }
    return block
  }

  /** Shows a tool while `work` goes on; `work` says whether it went well. */
  async tool(title: string, work: () => Promise<boolean>): Promise<void> {
    const id = randomUUID()
    this.boards.emit({ type: 'tool', id, title, status: 'in_progress' })
    const well = await work()
    this.boards.emit({ type: 'tool', id, title, status: well && !this.cancelled ? 'completed' : 'failed' })
  }

  /** Asks for leave, as far as the turn's permission mode asks for it. */
  async leave(command: string): Promise<boolean> {
    const { prompt, remembered, emit } = this.boards
    if (prompt.permissionMode === 'readOnly') return false
    if (prompt.permissionMode === 'bypassPermissions' || remembered.has(command)) return true
    const id = randomUUID()
    const decision = Promise.withResolvers<{ allow: boolean; remember?: boolean }>()
    this.#permits.set(id, decision)
    emit({
      type: 'permission.requested',
      id,
      title: 'Run a command',
      detail: command,
      language: 'sh',
      rememberable: true,
      grant: { rule: command, says: command },
    })
    const { allow, remember } = await decision.promise
    this.#permits.delete(id)
    if (allow && remember === true) remembered.add(command)
    return allow
  }

  /** Asks for leave and takes the request back. */
  async withdraw(command: string, afterMs: number): Promise<void> {
    const id = randomUUID()
    const title = 'Run a command'
    this.boards.emit({ type: 'permission.requested', id, title, detail: command, rememberable: false })
    await this.pause(afterMs)
    this.boards.emit({ type: 'permission.withdrawn', id })
  }

  /** For each question what was chosen or written; nothing when the turn was cancelled. */
  async ask(questions: Asked): Promise<Answered> {
    const id = randomUUID()
    const answer = Promise.withResolvers<Answered>()
    this.#questions.set(id, answer)
    this.boards.emit({ type: 'question.asked', id, questions })
    const answers = await answer.promise
    this.#questions.delete(id)
    return answers
  }
}

function stepsOf(script: string): string[] {
  return script.split(/\s+\|\s+/).map((step) => step.trim())
}
