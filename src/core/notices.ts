import { randomBytes } from 'node:crypto'
import type { Action } from './action.ts'
import type { Place } from './message.ts'
import type { Outbox } from './outbox.ts'
import type { Store } from './store.ts'
import { noticeView, type Choice, type Part, type View } from './view.ts'

export interface Offer {
  readonly label: string
  readonly style?: 'primary' | 'danger'
  readonly action: Action
}

export interface Notice {
  /** Unique, and the same after a restart. */
  readonly key: string
  readonly place: Place
  readonly text: string
  /** Shown letter by letter under the text: a command, a diff. */
  readonly code?: string
  /** What the code is written in. */
  readonly language?: string
  readonly offers?: readonly Offer[]
  readonly turn?: string
  readonly replyTo?: string
  /** It is the last word on what it answers: there will be no other answer. */
  readonly last?: boolean
}

/** What ductor itself says in a chat, and the choices that it offers. Call within a transaction. */
export class Notices {
  readonly #store: Store
  readonly #outbox: Outbox
  readonly #now: () => number

  constructor(store: Store, outbox: Outbox, now: () => number) {
    this.#store = store
    this.#outbox = outbox
    this.#now = now
  }

  say({ key, place, text, code, language, offers = [], turn, replyTo, last }: Notice): void {
    this.#store.transaction(() => {
      const choices = offers.map((offer) => this.offer(key, place, offer))
      const parts: Part[] = [{ kind: 'notice', text }]
      if (code !== undefined && code !== '')
        parts.push({ kind: 'code', text: code, ...(language === undefined ? {} : { language }) })
      this.#outbox.show({
        key,
        place,
        view: { ...noticeView(text, choices), parts, ...(last === true ? { stop: 'failed' as const } : {}) },
        final: true,
        ...(turn === undefined ? {} : { turn }),
        ...(replyTo === undefined ? {} : { replyTo }),
      })
    })
  }

  /** Shows parts that are finished. */
  show(key: string, place: Place, parts: readonly Part[]): void {
    this.#outbox.show({ key, place, view: { ...noticeView(''), parts }, final: true })
  }

  /** The choices of this notice are made, or void: they go, and `outcome` says what became of them. */
  close(key: string, outcome: string): void {
    this.#store.transaction(() => {
      this.#store.spendChoices(key)
      const row = this.#store.publication(key)
      if (row === undefined) return
      const view: View = {
        ...row.view,
        parts: [...row.view.parts, { kind: 'notice', text: `→ ${outcome}` }],
        choices: [],
      }
      this.#outbox.show({ key, place: row.place, view, final: true })
    })
  }

  withdraw(key: string, place: Place): void {
    this.#store.spendChoices(key)
    this.#outbox.withdraw(key, place)
  }

  /** Makes a choice that `publication` shows. */
  offer(publication: string, place: Place, { label, style, action }: Offer): Choice {
    const choice: Choice = {
      token: randomBytes(12).toString('base64url'),
      label,
      ...(style === undefined ? {} : { style }),
    }
    this.#store.addChoice({
      ...choice,
      place: place.key,
      publication,
      action,
      madeAt: this.#now(),
      spent: false,
    })
    return choice
  }
}
