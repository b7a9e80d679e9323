/** An answer of the Bot API that says no. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: number
  readonly parameters: { readonly retry_after?: number; readonly migrate_to_chat_id?: number }

  constructor(code: number, description: string, parameters: Refusal['parameters'] = {}) {
    super(description)
    this.code = code
    this.parameters = parameters
  }
}

export function badRequest(what: string): Refusal {
  return new Refusal(400, `Bad Request: ${what}`)
}

export function forbidden(what: string): Refusal {
  return new Refusal(403, `Forbidden: ${what}`)
}

/** What the server forgives in silence, and a good bot does not do. */
export type Lint = (fault: string) => void
