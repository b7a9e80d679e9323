/** What a scripted model does with a prompt. */
export type Act =
  | { readonly kind: 'say'; readonly words: readonly string[]; readonly pauseMs: number }
  | { readonly kind: 'think'; readonly thought: string; readonly words: readonly string[] }
  | { readonly kind: 'bash'; readonly command: string }
  | { readonly kind: 'write'; readonly path: string; readonly text: string }
  | { readonly kind: 'error'; readonly status: number }
  /** Ends the connection in mid-answer. */
  | { readonly kind: 'cut' }
  /** Never answers. */
  | { readonly kind: 'hang' }

/** What was asked, whatever the vendor's API. */
export interface Asked {
  readonly model: string
  /** The person's own texts, oldest first. */
  readonly prompts: readonly string[]
  readonly pictures: number
}

/**
 * The last line of the last prompt directs the model: `say WORDS`, `think THOUGHT | WORDS`, `tool bash COMMAND`,
 * `write PATH TEXT`, `slow N` (a word every 20 ms), `error CODE`, `cut`, `hang`, `history` (counts the prompts),
 * `pictures` (counts those), `model` (its own name).
 */
export function actFor(asked: Asked): Act {
  const line = (asked.prompts.at(-1) ?? '').trim().split('\n').at(-1) ?? ''
  const [, verb = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? []
  switch (verb) {
    case 'say':
      return say(rest)
    case 'think': {
      const [thought = '', words = ''] = rest.split(' | ')
      return { kind: 'think', thought, words: pieces(words) }
    }
    case 'tool':
      return { kind: 'bash', command: rest.replace(/^bash /, '') }
    case 'write': {
      const [path = '', ...words] = rest.split(' ')
      return { kind: 'write', path, text: words.join(' ') }
    }
    case 'slow':
      return {
        kind: 'say',
        words: Array.from({ length: Number(rest) }, (_, n) => `w${n} `),
        pauseMs: 20,
      }
    case 'error':
      return { kind: 'error', status: Number(rest) }
    case 'cut':
      return { kind: 'cut' }
    case 'hang':
      return { kind: 'hang' }
    case 'history':
      return say(`prompts: ${asked.prompts.length}`)
    case 'pictures':
      return say(`pictures: ${asked.pictures}`)
    case 'model':
      return say(`model: ${asked.model}`)
    default:
      return say('nothing to say')
  }
}

export function say(text: string): Act {
  return { kind: 'say', words: pieces(text), pauseMs: 0 }
}

function pieces(text: string): readonly string[] {
  return text.split(/(?<= )/)
}
