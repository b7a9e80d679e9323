/** What the pressing of a choice does. Kept as JSON. */
export type Action =
  | { readonly do: 'cancel'; readonly seq: number }
  | { readonly do: 'steer'; readonly seq: number }
  /** The label goes to the agent, as if the person had written it. */
  | { readonly do: 'prompt'; readonly text: string; readonly strand: string }
  | {
      readonly do: 'model'
      readonly strand: string
      readonly provider: string
      readonly model?: string
      readonly effort?: string
    }
  /** Shows the models of this provider to choose from. */
  | { readonly do: 'models'; readonly strand: string; readonly provider: string }
  | { readonly do: 'resume'; readonly strand: string; readonly provider: string; readonly session: string }
  | { readonly do: 'end-strand'; readonly strand: string }
  /** As if the person had written it: `/status`. */
  | { readonly do: 'command'; readonly name: string }
  | { readonly do: 'browse'; readonly path: string; readonly from: number }
  | { readonly do: 'send-file'; readonly path: string }
  /** The person's next message says why not. */
  | { readonly do: 'deny-why'; readonly turn: string; readonly request: string }
  /** `option`: its number, from 0; `done`: what was chosen so far is the answer; `words`: the next message is. */
  | {
      readonly do: 'answer'
      readonly turn: string
      readonly question: string
      readonly option: number | 'done' | 'words'
    }
  | { readonly do: 'continue' | 'again' | 'drop'; readonly turn: string }
  | { readonly do: 'run-stale' | 'drop-stale' }
  | {
      readonly do: 'permit'
      readonly turn: string
      readonly request: string
      readonly allow: boolean
      readonly remember: boolean
    }
