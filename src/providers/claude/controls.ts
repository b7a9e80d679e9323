import { randomUUID } from 'node:crypto'
import type { Carried } from './grants.ts'

/** Milliseconds; Claude asks its vendor whether it knows a model. */
const changeMs = 15_000

/** What can be changed by a word to a running process. */
export interface Controlled {
  readonly model: string | undefined
  readonly effort: string | undefined
  /** In Claude's words. */
  readonly mode: string
}

interface Response {
  readonly subtype: string
  readonly request_id: string
  readonly response?: unknown
}

/** What we ask of a running Claude, and how it stands. */
export class Controls {
  readonly #send: (message: object) => void
  readonly #waiting = new Map<string, (response: Response | undefined) => void>()
  /** As the last turn wanted it. */
  #wanted: Controlled
  /** The mode that Claude is in, as it told last. */
  #mode: string
  /** The mode that a person let it change to, for the session. */
  #granted: string | undefined
  #ended = false

  constructor(send: (message: object) => void, begun: Controlled) {
    this.#send = send
    this.#wanted = begun
    this.#mode = begun.mode
  }

  /** Its answer; undefined where it refuses, ends, or does not answer in time. `limitMs` 0: as long as it lives. */
  async ask(request: object, limitMs: number): Promise<unknown> {
    if (this.#ended) return undefined
    const id = randomUUID()
    const { promise, resolve } = Promise.withResolvers<Response | undefined>()
    const limit = limitMs === 0 ? undefined : setTimeout(() => resolve(undefined), limitMs).unref()
    this.#waiting.set(id, resolve)
    this.#send({ type: 'control_request', request_id: id, request })
    const response = await promise
    clearTimeout(limit)
    this.#waiting.delete(id)
    return response?.subtype === 'success' ? (response.response ?? {}) : undefined
  }

  hear(response: Response): void {
    this.#waiting.get(response.request_id)?.(response)
  }

  end(): void {
    this.#ended = true
    for (const resolve of this.#waiting.values()) resolve(undefined)
  }

  noteMode(mode: string): void {
    this.#mode = mode
  }

  granted(mode: string | undefined): void {
    this.#granted = mode ?? this.#granted
  }

  /** What was allowed in an earlier process holds in this one. What Claude does not take is asked again. */
  carryOver({ permissions, mode }: Carried): void {
    if (permissions !== undefined)
      void this.ask({ subtype: 'apply_flag_settings', settings: { permissions } }, changeMs)
    if (mode === undefined) return
    this.#granted = mode
    void this.ask({ subtype: 'set_permission_mode', mode }, changeMs)
  }

  /** False: Claude will not, or not as it was started. */
  async adapt(wanted: Controlled): Promise<boolean> {
    const before = this.#wanted
    this.#wanted = wanted
    const { model = 'default', effort = null, mode } = wanted
    if (mode !== before.mode) this.#granted = undefined
    const steps = [
      ...(wanted.model === before.model ? [] : [{ subtype: 'set_model', model }]),
      ...(wanted.effort === before.effort
        ? []
        : [{ subtype: 'apply_flag_settings', settings: { effortLevel: effort } }]),
      // Claude leaves plan mode by itself when a plan is accepted; what a person granted stays.
      ...(mode === this.#mode || (mode === before.mode && this.#mode === this.#granted)
        ? []
        : [{ subtype: 'set_permission_mode', mode }]),
    ]
    for (const step of steps) if ((await this.ask(step, changeMs)) === undefined) return false
    return true
  }
}
