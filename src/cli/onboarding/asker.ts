import type { ChoiceQuestion, TextQuestion, YesNoQuestion } from '../../core/set-up.ts'

/** The person wants to go back to the question before. */
export class Back extends Error {
  override readonly name = 'Back'
}

/** The person wants to leave. */
export class Left extends Error {
  override readonly name = 'Left'
}

/** Everything of a text question but what its words come to. */
export type Words = Pick<
  TextQuestion<unknown>,
  'option' | 'ask' | 'secret' | 'example' | 'initial' | 'busy' | 'meanwhile'
>

/** Puts one question and brings the answer, by whatever way. Throws `Back` and `Left`. */
export interface Asker {
  /** Can the answers be changed by asking again? */
  readonly patient: boolean
  given(option: string): string | undefined
  /** `former`: what was answered before, where it is asked again. */
  words(question: Words, former: string | undefined): Promise<string>
  pick(question: ChoiceQuestion, former: string | undefined): Promise<string>
  yesNo(question: YesNoQuestion, former: boolean | undefined): Promise<boolean>
  tell(text: string): void
  /** What is wrong with the last answer. */
  wrong(text: string): void
  /** Waits for something that the person may not want to wait for. */
  during<T>(what: string | undefined, work: (signal: AbortSignal) => T | Promise<T>): Promise<T>
}
