import type { PermissionAnswer, Turn, TurnEvent } from '../core/provider.ts'
import type { AcpDecoder } from './acp-decode.ts'
import { decidedBy, outcomeOf, requestEvent, type Outcome } from './acp-permission.ts'
import { questionsOf, replyTo, type Form, type Reply } from './acp-question.ts'
import type { PermissionOption, PermissionRequest } from './acp-wire.ts'

/** What the requests need of their turn. */
interface Surroundings {
  readonly turn: Pick<Turn, 'cwd' | 'permissionMode'>
  readonly decoder: AcpDecoder
  /** Does the agent have a mode of its own for the turn's permission mode? */
  modeKnown(): boolean
  put(event: TurnEvent): void
  /** The person gave a reason, for which the protocol has no place. */
  unheard(): void
  /** Somebody is waited for, or nobody any more. */
  changed(): void
}

type Pending =
  | {
      readonly kind: 'permission'
      readonly toolId: string
      readonly options: readonly PermissionOption[]
      readonly resolve: (outcome: Outcome) => void
    }
  | { readonly kind: 'question'; readonly form: Form; readonly resolve: (reply: Reply) => void }

/** What the agent asks the person in one turn. */
export class AcpRequests {
  readonly #around: Surroundings
  readonly #pending = new Map<string, Pending>()
  #asked = 0
  #closed = false

  constructor(around: Surroundings) {
    this.#around = around
  }

  /** The person has not answered yet. */
  get waiting(): boolean {
    return this.#pending.size > 0
  }

  async permission({ toolCall, options }: PermissionRequest, signal: AbortSignal): Promise<Outcome> {
    if (this.#closed || options.length === 0) return { outcome: 'cancelled' }
    const { decoder, turn } = this.#around
    for (const event of decoder.tool(toolCall)) this.#around.put(event)
    const tool = decoder.merge(toolCall)
    const toolId = toolCall.toolCallId
    const decided = decidedBy(turn.permissionMode, tool, this.#around.modeKnown())
    if (decided !== undefined) return this.#outcome(toolId, options, decided)
    const id = this.#nextId()
    const event = await requestEvent(id, tool, options, turn.cwd)
    if (this.#closed) return { outcome: 'cancelled' }
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    this.#wait(id, { kind: 'permission', toolId, options, resolve }, event, signal)
    return await promise
  }

  async question(form: Form, signal: AbortSignal): Promise<Reply> {
    const questions = questionsOf(form)
    if (this.#closed || questions.length === 0) return { action: 'cancel' }
    const { promise, resolve } = Promise.withResolvers<Reply>()
    const id = this.#nextId()
    this.#wait(id, { kind: 'question', form, resolve }, { type: 'question.asked', id, questions }, signal)
    return await promise
  }

  answer(id: string, answer: PermissionAnswer): boolean {
    const pending = this.#pending.get(id)
    if (pending?.kind !== 'permission') return false
    this.#pending.delete(id)
    if (!answer.allow && answer.reason) this.#around.unheard()
    pending.resolve(this.#outcome(pending.toolId, pending.options, answer))
    this.#around.changed()
    return true
  }

  reply(id: string, answers: readonly (readonly string[])[]): boolean {
    const pending = this.#pending.get(id)
    if (pending?.kind !== 'question') return false
    this.#pending.delete(id)
    pending.resolve(replyTo(pending.form, answers))
    this.#around.changed()
    return true
  }

  /** Nothing is answered any more. */
  close(): void {
    this.#closed = true
    for (const id of this.#pending.keys()) this.#withdraw(id)
  }

  #wait(id: string, pending: Pending, event: TurnEvent, signal: AbortSignal): void {
    this.#pending.set(id, pending)
    signal.addEventListener('abort', () => this.#withdraw(id), { once: true })
    this.#around.put(event)
    this.#around.changed()
  }

  #withdraw(id: string): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    if (pending.kind === 'permission') pending.resolve({ outcome: 'cancelled' })
    else pending.resolve({ action: 'cancel' })
    this.#around.put({ type: 'permission.withdrawn', id })
    this.#around.changed()
  }

  #outcome(toolId: string, options: readonly PermissionOption[], answer: PermissionAnswer): Outcome {
    if (!answer.allow) for (const event of this.#around.decoder.refused(toolId)) this.#around.put(event)
    return outcomeOf(answer, options)
  }

  #nextId(): string {
    this.#asked += 1
    return `ask-${this.#asked}`
  }
}
