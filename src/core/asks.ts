import type { Place } from './message.ts'
import type { Notice, Notices, Offer } from './notices.ts'
import type { Grant, PermissionAnswer, Provider, Question, TurnEvent } from './provider.ts'
import { span } from '../lib/span.ts'

type PermissionRequest = Extract<TurnEvent, { type: 'permission.requested' }>
type Asked = Extract<TurnEvent, { type: 'question.asked' }>

interface Permission {
  readonly kind: 'permission'
  readonly expires: NodeJS.Timeout
  /** What is allowed for the rest of the session, if the person says so. */
  readonly grant: Grant | undefined
}

interface Inquiry {
  readonly kind: 'question'
  readonly expires: NodeJS.Timeout
  readonly questions: readonly Question[]
  readonly answers: (readonly string[])[]
  /** What was chosen of the question that is open now. */
  chosen: readonly string[]
}

export interface AsksDeps {
  readonly turn: string
  readonly place: Place
  readonly provider: Provider
  readonly notices: Notices
  /** It has begun to wait for a person. */
  readonly waits: () => void
  readonly timeoutMs: number
  /** Keeps it with the session. */
  readonly remember: (grant: Grant) => void
  /** Into the life of the turn. */
  readonly note: (event: string, detail?: string) => void
  /** Writes all of it or nothing, until the disk takes it. */
  readonly keep: <T>(write: () => T) => Promise<T>
}

/** Whose next words are the answer to what. */
interface WaitsForWords {
  readonly ask: string
  readonly sender: string
}

/** What the agent of one running turn waits for: leave to act, answers to questions. */
export class Asks {
  readonly #deps: AsksDeps
  readonly #open = new Map<string, Permission | Inquiry>()
  #words: WaitsForWords | undefined

  constructor(deps: AsksDeps) {
    this.#deps = deps
  }

  /** Puts the request to the chat. */
  async permission(request: PermissionRequest): Promise<void> {
    const { id, grant, title } = request
    await this.#deps.keep(() => {
      this.#deps.note('asked', title)
      this.#deps.notices.say(permissionNotice(request, this.#deps))
    })
    this.#open.set(id, { kind: 'permission', expires: this.#expiry(id), grant })
    this.#deps.waits()
  }

  /** Puts the first of the questions to the chat. */
  async question({ id, questions }: Asked): Promise<void> {
    const { turn, provider } = this.#deps
    if (questions.length === 0) return void provider.reply?.(turn, id, [])
    const inquiry: Inquiry = {
      kind: 'question',
      expires: this.#expiry(id),
      questions,
      answers: [],
      chosen: [],
    }
    this.#open.set(id, inquiry)
    this.#deps.waits()
    await this.#deps.keep(() => this.#deps.note('asked', 'a question'))
    await this.#put(id, inquiry)
  }

  /** The CLI needs no answer any more. */
  async withdraw(id: string): Promise<void> {
    const ask = this.#take(id)
    if (ask !== undefined) await this.#close(id, ask, 'not needed any more', 'taken back by the agent')
  }

  /** False: nobody waits for that answer any more. */
  async answer(request: string, answer: PermissionAnswer): Promise<boolean> {
    const ask = this.#open.get(request)
    if (ask?.kind !== 'permission') return false
    this.#take(request)
    const { provider, turn, remember, note, keep } = this.#deps
    const heard = provider.answer?.(turn, request, answer) ?? false
    const { grant } = ask
    if (!heard) return false
    // Afterwards: what is not kept is asked again, and nothing is allowed that the CLI was not told.
    await keep(() => {
      note(answer.allow ? 'allowed' : 'denied', 'by a person')
      if (answer.allow && answer.remember === true && grant !== undefined) remember(grant)
    })
    return true
  }

  /** The next message of this person says why not. False: nobody waits for that answer any more. */
  expectReason(request: string, sender: string): boolean {
    if (!this.#open.has(request)) return false
    this.#words = { ask: request, sender }
    return true
  }

  /**
   * An option of the open question was chosen, or its answer is complete, or this person's next message is the answer.
   * Gives what to say of it; undefined: nobody waits for that answer any more.
   */
  async choose(id: string, option: number | 'done' | 'words', sender: string): Promise<string | undefined> {
    const ask = this.#open.get(id)
    if (ask?.kind !== 'question') return undefined
    if (option === 'words') {
      this.#words = { ask: id, sender }
      return 'Write your answer as your next message.'
    }
    const chosen = option === 'done' ? ask.chosen : optionOf(ask, option)
    if (chosen === undefined) return undefined
    const more = typeof option === 'number' && questionOf(ask)?.multiple === true
    if (!more) {
      const outcome = chosen.join(', ') || 'None of them'
      await this.#answered(id, ask, chosen, outcome)
      return outcome
    }
    ask.chosen = chosen
    await this.#put(id, ask)
    return chosen.join(', ') || 'None of them'
  }

  /** Is this message the words that somebody waits for, or a reply to the open question `publication`? */
  expects(sender: string, publication: string | undefined): boolean {
    return this.#askOf(sender, publication) !== undefined
  }

  /** Takes the text as the answer. False: nobody waits for it any more. */
  async takeWords(text: string, sender: string, publication: string | undefined): Promise<boolean> {
    const id = this.#askOf(sender, publication)
    const ask = id === undefined ? undefined : this.#open.get(id)
    if (id === undefined || ask === undefined) return false
    this.#words = undefined
    if (ask.kind === 'question') {
      await this.#answered(id, ask, [text], text)
      return true
    }
    if (!(await this.answer(id, { allow: false, reason: text }))) return false
    await this.#close(id, ask, `Denied: ${text}`)
    return true
  }

  /** The turn is over: nothing of it can be answered any more. Within the transaction that ends it. */
  close(): void {
    for (const [id, ask] of this.#open) {
      clearTimeout(ask.expires)
      this.#deps.notices.close(this.#key(id, ask), 'the turn has ended')
    }
  }

  /** How many wait for an answer. */
  get waiting(): number {
    return this.#open.size
  }

  #askOf(sender: string, publication: string | undefined): string | undefined {
    if (publication !== undefined)
      for (const [id, ask] of this.#open) if (this.#key(id, ask) === publication) return id
    if (this.#words?.sender !== sender) return undefined
    return this.#open.has(this.#words.ask) ? this.#words.ask : undefined
  }

  #take(id: string): Permission | Inquiry | undefined {
    const ask = this.#open.get(id)
    clearTimeout(ask?.expires)
    this.#open.delete(id)
    if (this.#words?.ask === id) this.#words = undefined
    return ask
  }

  async #answered(id: string, ask: Inquiry, answer: readonly string[], outcome: string): Promise<void> {
    const { turn, provider } = this.#deps
    await this.#close(id, ask, outcome, 'answered')
    ask.answers.push(answer)
    ask.chosen = []
    if (ask.answers.length < ask.questions.length) return this.#put(id, ask)
    this.#take(id)
    provider.reply?.(turn, id, ask.answers)
  }

  /** Shows the question that is open now. */
  async #put(id: string, ask: Inquiry): Promise<void> {
    const { turn, place, notices, keep } = this.#deps
    const question = questionOf(ask)
    if (question === undefined) return
    const action = { do: 'answer', turn, question: id } as const
    const explained = question.options.flatMap(({ label, description }) =>
      description === undefined || description === '' ? [] : [`• ${label}: ${description}`],
    )
    const options: Offer[] = question.options.map(({ label }, option) => ({
      label: question.multiple ? `${ask.chosen.includes(label) ? '☑' : '☐'} ${label}` : label,
      action: { ...action, option },
    }))
    const done: Offer = { label: 'Done', style: 'primary', action: { ...action, option: 'done' } }
    const words: Offer = { label: 'In my own words', action: { ...action, option: 'words' } }
    const text = [question.text, ...explained].join('\n')
    const offers = [...options, ...(question.multiple ? [done] : []), words]
    await keep(() => notices.say({ key: this.#key(id, ask), place, turn, text, offers }))
  }

  /** `event`: what it is called in the life of the turn, where nobody else has told it. */
  async #close(id: string, ask: Permission | Inquiry, outcome: string, event?: string): Promise<void> {
    const key = this.#key(id, ask)
    await this.#deps.keep(() => {
      if (event !== undefined) this.#deps.note(event)
      this.#deps.notices.close(key, outcome)
    })
  }

  #key(id: string, ask: Permission | Inquiry): string {
    const { turn } = this.#deps
    return ask.kind === 'permission' ? askKey(turn, id) : `${askKey(turn, id)}/${ask.answers.length}`
  }

  #expiry(id: string): NodeJS.Timeout {
    // A timer takes no more than 31 bits.
    return setTimeout(() => void this.#expire(id), Math.min(this.#deps.timeoutMs, 2 ** 31 - 1)).unref()
  }

  async #expire(id: string): Promise<void> {
    const { provider, turn, timeoutMs } = this.#deps
    const ask = this.#take(id)
    if (ask === undefined) return
    const silence = `no answer within ${span(timeoutMs)}`
    if (ask.kind === 'permission') {
      provider.answer?.(turn, id, { allow: false, reason: `The person gave ${silence}.` })
      return this.#close(id, ask, `Denied: ${silence}`, `denied: ${silence}`)
    }
    const answers = ask.questions.map((_, index) => ask.answers[index] ?? [`(${silence})`])
    provider.reply?.(turn, id, answers)
    return this.#close(id, ask, `Left open: ${silence}`, `left open: ${silence}`)
  }
}

function questionOf({ questions, answers }: Inquiry): Question | undefined {
  return questions[answers.length]
}

/** What is chosen of the open question once this option was pressed; undefined: it has no such option. */
function optionOf(ask: Inquiry, option: number): readonly string[] | undefined {
  const question = questionOf(ask)
  const label = question?.options[option]?.label
  if (label === undefined) return undefined
  if (question?.multiple !== true) return [label]
  return ask.chosen.includes(label) ? ask.chosen.filter((one) => one !== label) : [...ask.chosen, label]
}

function permissionNotice(
  { id, title, detail, language, rememberable, grant }: PermissionRequest,
  { turn, place }: AsksDeps,
): Notice {
  const permit = { do: 'permit', turn, request: id } as const
  const remember: Offer = {
    label: grant === undefined ? 'Allow for a while' : 'Allow for this session',
    action: { ...permit, allow: true, remember: true },
  }
  return {
    key: askKey(turn, id),
    place,
    turn,
    text: title,
    code: detail,
    ...(language === undefined ? {} : { language }),
    offers: [
      { label: 'Allow', style: 'primary', action: { ...permit, allow: true, remember: false } },
      ...(rememberable === false ? [] : [remember]),
      { label: 'Deny', style: 'danger', action: { ...permit, allow: false, remember: false } },
      { label: 'Deny and say why', action: { do: 'deny-why', turn, request: id } },
    ],
  }
}

export const askKey = (turn: string, request: string) => `ask/${turn}/${request}`
