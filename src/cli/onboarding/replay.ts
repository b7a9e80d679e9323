import type { ChoiceQuestion, Interview, TextQuestion, YesNoQuestion } from '../../core/set-up.ts'
import { UserError } from '../../core/user-error.ts'
import { Back, type Asker } from './asker.ts'

interface Entry {
  readonly answer: unknown
  /** False: it came from the command line, so that going back goes behind it. */
  readonly asked: boolean
  undo(): Promise<void>
}

/**
 * An interview that one can go back in: it keeps the answers, and after a step back runs anew from the beginning,
 * giving each question the answer that it had.
 */
export class Replay implements Interview {
  readonly #asker: Asker
  readonly #entries: Entry[] = []
  readonly #formerWords = new Map<string, string>()
  #at = 0

  constructor(asker: Asker) {
    this.#asker = asker
  }

  /** Carries out `interview` to its end. Whatever was done for its answers is undone where it is left before. */
  async run<T>(interview: (interview: Interview) => Promise<T>): Promise<T> {
    for (;;) {
      this.#at = 0
      try {
        return await interview(this)
      } catch (error) {
        if (!(error instanceof Back)) {
          while (this.#entries.length > 0) await this.#forget()
          throw error
        }
        do await this.#forget()
        while (this.#entries.length > 0 && this.#entries.at(-1)?.asked === false)
      }
    }
  }

  given(option: string): string | undefined {
    return this.#asker.given(option)
  }

  text<T>(question: TextQuestion<T>): Promise<T> {
    return this.#answer(
      question.option,
      async () => {
        for (;;) {
          const words = await this.#words(question)
          try {
            return await this.#asker.during(question.busy, (signal) => question.accept(words, signal))
          } catch (error) {
            if (!(error instanceof UserError)) throw error
            this.#asker.wrong(error.message)
          }
        }
      },
      question.undo === undefined ? undefined : (answer) => question.undo?.(answer),
    )
  }

  choose(question: ChoiceQuestion): Promise<string> {
    return this.#answer(question.option, async () => {
      const picked = await this.#asker.pick(question, this.#formerWords.get(question.option))
      this.#formerWords.set(question.option, picked)
      return picked
    })
  }

  confirm(question: YesNoQuestion): Promise<boolean> {
    return this.#answer(question.option, async () => {
      const former = this.#formerWords.get(question.option)
      const yes = await this.#asker.yesNo(question, former === undefined ? undefined : former === 'yes')
      this.#formerWords.set(question.option, yes ? 'yes' : 'no')
      return yes
    })
  }

  tell(text: string): void {
    // What stands before a question that is answered already was read before.
    if (this.#at >= this.#entries.length) this.#asker.tell(text)
  }

  async #words(question: TextQuestion<unknown>): Promise<string> {
    const words = await this.#asker.words(question, this.#formerWords.get(question.option))
    if (question.secret !== true) this.#formerWords.set(question.option, words)
    return words
  }

  async #answer<T>(option: string, find: () => Promise<T>, undo?: (answer: T) => unknown): Promise<T> {
    const known = this.#entries[this.#at]
    this.#at += 1
    // The same question as in the run before, which this answer was found for.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    if (known !== undefined) return known.answer as T
    const answer = await find()
    this.#entries.push({
      answer,
      asked: this.#asker.given(option) === undefined,
      undo: async () => {
        await undo?.(answer)
      },
    })
    return answer
  }

  async #forget(): Promise<void> {
    await this.#entries.pop()?.undo()
  }
}
