import type { Log } from './define.ts'

interface Question {
  /** The option that answers it on a command line: `telegram-token`. */
  readonly option: string
  readonly ask: string
}

export interface TextQuestion<T> extends Question {
  /** Not shown while it is typed. */
  readonly secret?: boolean
  /** What an answer looks like. */
  readonly example?: string
  /** The answer where nothing is typed. */
  readonly initial?: string
  /** What is done while the answer is judged, where that takes time: `Asking Telegram`. */
  readonly busy?: string
  /** Makes of the words what they stand for. Throws `UserError` for words that will not do; they are asked for again. */
  accept(words: string, signal: AbortSignal): T | Promise<T>
  /** Finds the answer by itself while the person may still type it; rejects with a `UserError` where it cannot. */
  meanwhile?(signal: AbortSignal): Promise<string>
  /** Takes back what `accept` has done in the world. Called when the person goes back behind it, or leaves. */
  undo?(answer: T): Promise<void>
}

export interface ChoiceQuestion extends Question {
  /** The first is the one that is taken where nothing else is chosen. */
  readonly choices: readonly { readonly value: string; readonly label: string; readonly hint?: string }[]
}

export interface YesNoQuestion extends Question {
  readonly initial: boolean
}

/**
 * Questions to the person who sets ductor up, in a terminal or answered beforehand. The person may go back: then
 * everything runs once more from its beginning, and each question that stands is given the answer that it had. So
 * whatever a setup does, it does in `accept`, or after all its questions.
 */
export interface Interview {
  text<T>(question: TextQuestion<T>): Promise<T>
  choose(question: ChoiceQuestion): Promise<string>
  confirm(question: YesNoQuestion): Promise<boolean>
  /** What was given for an option that is not asked about. */
  given(option: string): string | undefined
  /** Something to read, between two questions. */
  tell(text: string): void
}

export interface SetUpDeps {
  /** Absolute path of the home folder; it may not be there yet. */
  readonly home: string
  readonly log: Log
  /** Will it be the only transport? */
  readonly alone: boolean
}

/** What the answers come to. */
export interface SetUpResult {
  /** For config.json. */
  readonly keys: Readonly<Record<string, unknown>>
  /** What to do for the first message. */
  readonly next: string
  /** Writes what is kept beside config.json. Called when everything is answered. */
  save?(): Promise<void>
}

/** How a transport is set up by asking. */
export interface SetUp {
  /** As a list shows it: `Telegram`. */
  readonly title: string
  readonly hint: string
  /** It is not to be combined with others. */
  readonly exclusive?: boolean
  /** The options that answer its questions, and what they hold. A switch answers yes or no. */
  readonly options: Readonly<Record<string, { readonly says: string; readonly switch?: boolean }>>
  run(interview: Interview, deps: SetUpDeps): Promise<SetUpResult>
}
