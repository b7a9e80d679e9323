import { randomUUID } from 'node:crypto'
import type { TurnEvent } from '../../core/provider.ts'
import { unheard } from '../unheard.ts'
import type { Notification } from './wire.ts'

/** The messages that were put into a turn, and whether Codex has begun with them. */
export class PutIn {
  /** Those that it has not begun with, by the id that we gave them. `taken`: it has said that it will. */
  readonly #waiting = new Map<string, { readonly words: string; taken: boolean }>()
  /** Codex says by these ids which messages it begins with. */
  #tells = false
  #over = false

  /** Gives its id. */
  add(words: string): string {
    const id = randomUUID()
    this.#waiting.set(id, { words, taken: false })
    return id
  }

  /** Codex has said that it takes it. False: the turn was over before it did anything with it. */
  take(id: string): boolean {
    const message = this.#waiting.get(id)
    if (message === undefined) return true
    if (this.#over && this.#tells) return false
    message.taken = true
    return true
  }

  hear({ method, params }: Notification): void {
    if (method !== 'item/started' || params.item.type !== 'userMessage' || !params.item.clientId) return
    this.#tells = true
    this.#waiting.delete(params.item.clientId)
  }

  /** The turn is over. Gives what there is to say of those that nobody has begun with. */
  end(): readonly TurnEvent[] {
    this.#over = true
    const taken = [...this.#waiting.values()].filter((message) => message.taken)
    return this.#tells ? taken.map(({ words }) => unheard(words)) : []
  }
}
