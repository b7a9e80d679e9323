import { parseArgs } from 'node:util'
import { nearest } from '../lib/nearest.ts'
import { MisuseError } from './misuse.ts'

export interface Option {
  readonly type: 'boolean' | 'string'
  readonly short?: string
  /** What it holds or does, for help. */
  readonly says: string
}

export interface Given {
  readonly words: readonly string[]
  readonly has: (option: string) => boolean
  readonly text: (option: string) => string | undefined
}

/** Reads a command line. Throws `MisuseError`, with the nearest option that there is. */
export function readOptions(argv: readonly string[], options: Readonly<Record<string, Option>>): Given {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: Object.fromEntries(
        Object.entries(options).map(([name, { type, short }]) => [
          name,
          short === undefined ? { type } : { type, short },
        ]),
      ),
      allowPositionals: true,
    })
    return {
      words: positionals,
      has: (option) => values[option] !== undefined,
      text: (option) => {
        const value = values[option]
        return typeof value === 'string' ? value : undefined
      },
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const lacking = /^Option '(?:-\w, )?(--[\w-]+) <value>' argument missing/.exec(error.message)?.[1]
    if (lacking !== undefined) throw new MisuseError(`${lacking} needs a value`, { cause: error })
    const unknown = /^Unknown option '(-[^']*)'/.exec(error.message)?.[1]
    if (unknown === undefined) throw new MisuseError(error.message, { cause: error })
    const known = Object.keys(options).map((flag) => `--${flag}`)
    throw new MisuseError(`there is no option ${unknown}${meant(unknown, known)}`, { cause: error })
  }
}

export function meant(word: string, words: readonly string[]): string {
  const near = nearest(word, words)
  return near === undefined ? '' : `; did you mean “${near}”?`
}
