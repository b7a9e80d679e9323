import type { CliProcess } from '../cli-process.ts'

/** What is said to a Claude that is spoken to in JSON; to one that takes a single prompt as text, that prompt. */
export class Speech {
  readonly #process: CliProcess
  readonly #oneShot: boolean

  constructor(process: CliProcess, oneShot: boolean) {
    this.#process = process
    this.#oneShot = oneShot
  }

  /** `priority: next`: it goes into the turn that runs. `pictures`: content blocks. */
  prompt(
    text: string,
    pictures: readonly object[],
    { uuid, priority }: { readonly uuid: string; readonly priority?: 'next' },
  ): void {
    if (this.#oneShot) return this.#process.closeInput(text)
    const message = { role: 'user', content: [{ type: 'text', text }, ...pictures] }
    const more = { uuid, ...(priority === undefined ? {} : { priority }) }
    this.#process.send({ type: 'user', message, parent_tool_use_id: null, session_id: '', ...more })
  }

  /** Answers a request of Claude's. */
  respond(id: string, response: object): void {
    this.#process.send({
      type: 'control_response',
      response: { subtype: 'success', request_id: id, response },
    })
  }

  /** Answers a request that we do not know. */
  refuse(id: string): void {
    this.#process.send({
      type: 'control_response',
      response: { subtype: 'error', request_id: id, error: 'not supported' },
    })
  }
}
