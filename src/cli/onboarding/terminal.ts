import { confirm, isCancel, log, password, select, text, type CANCEL_SYMBOL } from '@clack/prompts'
import type { ChoiceQuestion, YesNoQuestion } from '../../core/set-up.ts'
import { UserError } from '../../core/user-error.ts'
import { isYes, oneOf, type GivenAnswers } from './answers.ts'
import { Back, Left, type Asker, type Words } from './asker.ts'

/** Asks in the terminal. Escape goes back, Ctrl-C leaves. What was given beforehand is not asked, unless it is wrong. */
export class Terminal implements Asker, Disposable {
  readonly patient = true
  readonly given: GivenAnswers
  readonly #left = new AbortController()
  /** Given, and refused. */
  readonly #refused = new Set<string>()
  #lastKey = ''
  #current = ''

  constructor(given: GivenAnswers) {
    this.given = (option) => (this.#refused.has(option) ? undefined : given(option))
    // Both keys cancel a prompt; which of them it was is known only to whoever looked on.
    process.stdin.on('keypress', this.#keep)
    process.on('SIGINT', this.#leave)
    process.on('SIGTERM', this.#leave)
  }

  [Symbol.dispose](): void {
    process.stdin.off('keypress', this.#keep)
    process.off('SIGINT', this.#leave)
    process.off('SIGTERM', this.#leave)
  }

  async words(question: Words, former: string | undefined): Promise<string> {
    const { option, meanwhile } = question
    this.#current = option
    const given = this.given(option)
    if (given !== undefined) return given
    if (meanwhile === undefined) return this.#type(question, former, this.#left.signal)
    const found = await this.#search(question, former, meanwhile)
    if (typeof found === 'string') return found
    this.wrong(found.message)
    return this.#type(question, former, this.#left.signal)
  }

  /** An answer that comes by itself ends the prompt; one that is typed ends the search. A search that fails is a value. */
  async #search(
    question: Words,
    former: string | undefined,
    meanwhile: (signal: AbortSignal) => Promise<string>,
  ): Promise<string | UserError> {
    const settled = new AbortController()
    const signal = AbortSignal.any([this.#left.signal, settled.signal])
    const { promise, resolve, reject } = Promise.withResolvers<string | UserError>()
    const typing = this.#type(question, former, signal).then(resolve, reject)
    const searching = meanwhile(signal).then(resolve, (error: unknown) => {
      if (error instanceof UserError) resolve(error)
      else reject(error)
    })
    try {
      return await promise
    } finally {
      settled.abort()
      await Promise.all([typing, searching])
    }
  }

  async pick({ option, ask, choices }: ChoiceQuestion, former: string | undefined): Promise<string> {
    const given = this.given(option)
    if (given !== undefined) return oneOf(option, given, choices)
    const first = choices[0]?.value
    const initialValue = former ?? first
    return this.#answered(
      await select({
        message: ask,
        options: choices.map((choice) => ({ ...choice })),
        ...(initialValue === undefined ? {} : { initialValue }),
        showInstructions: false,
        signal: this.#left.signal,
      }),
    )
  }

  async yesNo({ option, ask, initial }: YesNoQuestion, former: boolean | undefined): Promise<boolean> {
    const given = this.given(option)
    if (given !== undefined) return isYes(option, given)
    const prompt = { message: ask, initialValue: former ?? initial, signal: this.#left.signal }
    return this.#answered(await confirm(prompt))
  }

  tell(words: string): void {
    log.message(words)
  }

  wrong(words: string): void {
    this.#refused.add(this.#current)
    log.error(words)
  }

  async during<T>(what: string | undefined, work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    if (what !== undefined) log.step(`${what} …`)
    try {
      return await work(this.#left.signal)
    } catch (error) {
      throw this.#left.signal.aborted ? new Left() : error
    }
  }

  async #type(question: Words, former: string | undefined, signal: AbortSignal): Promise<string> {
    const { ask: message, secret, example, initial } = question
    if (secret === true) return this.#answered(await password({ message, signal }))
    const placeholder = initial ?? example
    const answer = await text({
      message,
      ...(placeholder === undefined ? {} : { placeholder }),
      ...(initial === undefined ? {} : { defaultValue: initial }),
      ...(former === undefined || former === initial ? {} : { initialValue: former }),
      signal,
    })
    return this.#answered(answer)
  }

  #answered<T>(answer: T | typeof CANCEL_SYMBOL): T {
    if (!isCancel(answer)) return answer
    throw this.#lastKey === 'escape' && !this.#left.signal.aborted ? new Back() : new Left()
  }

  readonly #keep = (_text: string | undefined, key: { readonly name?: string } | undefined): void => {
    this.#lastKey = key?.name ?? ''
  }

  readonly #leave = (): void => {
    this.#left.abort(new Left())
  }
}
