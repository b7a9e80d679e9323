import type { PermissionMode } from '../../core/provider.ts'
import { denial, questionsOf } from './asking.ts'
import { grantOf, suggested } from './grants.ts'
import { permissionDetail, permissionTitle } from './tool-words.ts'
import type { ClaudeTurn } from './turn.ts'
import type { PermissionQuestion } from './wire.ts'

interface Asked {
  /** The turn that shows it. */
  readonly turn: ClaudeTurn
  readonly question: PermissionQuestion
}

export interface RequestDeps {
  readonly cwd: string
  /** The permission mode of the turns that run now. */
  readonly mode: () => PermissionMode
  /** Sends Claude what its request is answered with. */
  readonly respond: (id: string, response: object) => void
  /** More or less waits than before. */
  readonly changed: () => void
}

/** What Claude has asked and nobody has answered. */
export class OpenRequests {
  readonly #deps: RequestDeps
  readonly #asked = new Map<string, Asked>()

  constructor(deps: RequestDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#asked.size
  }

  /** Does this turn show one? */
  has(turn: ClaudeTurn): boolean {
    return [...this.#asked.values()].some((each) => each.turn === turn)
  }

  /** Shows it in a turn. `plan`: what Claude has written into its plan. */
  async show(turn: ClaudeTurn, id: string, question: PermissionQuestion, plan?: string): Promise<void> {
    this.#asked.set(id, { turn, question })
    this.#deps.changed()
    const questions = questionsOf(question)
    if (questions !== undefined) return turn.channel.put({ type: 'question.asked', id, questions })
    const { tool_name: name, input } = question
    // Yes or no is no answer to a question that we cannot read.
    if (name === 'AskUserQuestion') {
      this.#remove(id)
      const reason = 'Put the question into your answer; the person will reply to it.'
      return this.#deps.respond(id, denial(reason))
    }
    const detail = await permissionDetail(name, input, { cwd: this.#deps.cwd, plan })
    if (!this.#asked.has(id)) return
    const grant = grantOf(question, this.#deps.mode())
    turn.channel.put({
      type: 'permission.requested',
      id,
      title: permissionTitle(name),
      ...detail,
      rememberable: suggested(question).length > 0,
      ...(grant === undefined ? {} : { grant }),
    })
  }

  /** Hands it over to be answered, once; undefined where this turn shows no such request, or not of this kind. */
  take(turnId: string, id: string, kind: 'permission' | 'question'): Asked | undefined {
    const asked = this.#asked.get(id)
    if (asked === undefined || asked.turn.id !== turnId) return undefined
    if ((questionsOf(asked.question) === undefined) !== (kind === 'permission')) return undefined
    this.#remove(id)
    return asked
  }

  /** Claude took it back. Gives the turn that showed it. */
  withdraw(id: string): ClaudeTurn | undefined {
    const turn = this.#asked.get(id)?.turn
    turn?.channel.put({ type: 'permission.withdrawn', id })
    this.#remove(id)
    return turn
  }

  /** The turn is over, and so is what it shows. */
  close(turn: ClaudeTurn): void {
    for (const [id, asked] of this.#asked) if (asked.turn === turn) this.#asked.delete(id)
    this.#deps.changed()
  }

  #remove(id: string): void {
    if (this.#asked.delete(id)) this.#deps.changed()
  }
}
