import type { ChoiceQuestion, YesNoQuestion } from '../../core/set-up.ts'
import { UserError } from '../../core/user-error.ts'
import { MisuseError } from '../misuse.ts'
import type { Asker, Words } from './asker.ts'

/** What was given on the command line, or in the environment: `DUCTOR_MATRIX_PASSWORD` for `--matrix-password`. */
export type GivenAnswers = (option: string) => string | undefined

export function answersFrom(
  call: { has(option: string): boolean; text(option: string): string | undefined },
  env: NodeJS.ProcessEnv,
): GivenAnswers {
  return (option) =>
    call.text(option) ??
    (call.has(option) ? 'yes' : undefined) ??
    env[`DUCTOR_${option.toUpperCase().replaceAll('-', '_')}`]
}

/** Answers every question from what was given, for scripts. */
export class Answers implements Asker {
  readonly patient = false
  readonly given: GivenAnswers
  readonly #print: (line: string) => void

  constructor(given: GivenAnswers, print: (line: string) => void) {
    this.given = given
    this.#print = print
  }

  async words({ option, ask, initial }: Words): Promise<string> {
    return this.given(option) ?? initial ?? this.#missing(option, ask)
  }

  async pick({ option, ask, choices }: ChoiceQuestion): Promise<string> {
    const chosen = this.given(option) ?? choices[0]?.value ?? this.#missing(option, ask)
    return oneOf(option, chosen, choices)
  }

  async yesNo({ option, initial }: YesNoQuestion): Promise<boolean> {
    const given = this.given(option)
    return given === undefined ? initial : isYes(option, given)
  }

  tell(): void {
    // Nobody reads along; what counts is printed at the end.
  }

  wrong(text: string): void {
    throw new UserError(text)
  }

  async during<T>(what: string | undefined, work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    if (what !== undefined) this.#print(`${what} …`)
    return work(new AbortController().signal)
  }

  #missing(option: string, ask: string): never {
    throw new MisuseError(`--${option} is needed: ${ask}`)
  }
}

export function isYes(option: string, given: string): boolean {
  if (/^(?:yes|y|true|1)$/i.test(given)) return true
  if (/^(?:no|n|false|0)$/i.test(given)) return false
  throw new MisuseError(`--${option} is answered by yes or no, not by “${given}”`)
}

export function oneOf(option: string, chosen: string, choices: ChoiceQuestion['choices']): string {
  if (choices.some(({ value }) => value === chosen)) return chosen
  const known = choices.map(({ value }) => value).join(', ')
  throw new MisuseError(`--${option} is one of ${known}, not “${chosen}”`)
}
