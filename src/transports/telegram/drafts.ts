import type { Place } from '../../core/message.ts'
import type { Content, Preview } from '../../core/transport.ts'
import { Rest } from '../../lib/rest.ts'
import { CallError, type BotApi } from './bot-api.ts'
import { isGroup } from './budget.ts'
import { deliverable, type TextContent } from './content.ts'
import type { Address } from './deliver.ts'
import { isTopicLost } from './failure.ts'

export type Streaming = 'edits' | 'drafts' | 'auto'

export interface DraftsDeps {
  readonly api: BotApi
  readonly streaming: Streaming
  readonly addressOf: (place: Place) => Address
  readonly now: () => number
}

interface Draft {
  readonly key: string
  readonly content: TextContent
  /** When it became what it is. */
  readonly madeAt: number
  /** When it was shown last; 0 once a message has ended it. */
  shownAt: number
}

/** A draft that is not shown again goes after 30 s. */
const renewAfterMs = 15_000
/** Of two turns in one place, the second is shown when the first has been silent for so long. */
const yieldAfterMs = 20_000
/** Whatever becomes of it, the answer must not wait for it. */
const patienceMs = 3000

/**
 * Drafts: what the bot is about to write, shown in a private chat without being sent, with Telegram's own Stop button
 * under it. The next message ends it. Whoever turns them down is not asked again before the next start.
 */
export class Drafts {
  readonly #deps: DraftsDeps
  /** The newest of each place, while its turn runs. */
  readonly #drafts = new Map<string, Draft>()
  readonly #refusedIn = new Set<string>()
  /** Turns whose Stop button was pressed: Telegram shows no more of them. */
  readonly #stopped = new Set<string>()
  #refusedEverywhere = false
  readonly #rest = new Rest()

  constructor(deps: DraftsDeps) {
    this.#deps = deps
  }

  in(place: Place): Preview | undefined {
    const { streaming } = this.#deps
    if (streaming === 'edits' || isGroup(place.chat)) return undefined
    const refused = this.#refusedEverywhere || this.#refusedIn.has(place.key)
    if (refused && streaming === 'auto') return undefined
    return (content, key) => this.#show(place, content, key)
  }

  /** The turn goes on: its draft is to stay, or to come back after a message. */
  async renew(place: Place): Promise<void> {
    const draft = this.#drafts.get(place.key)
    if (draft === undefined || this.#deps.now() - draft.shownAt < renewAfterMs) return
    await this.#send(place, draft)
  }

  /** A message of ours has come into the place, and ended what was shown there. */
  ended(place: Place): void {
    const draft = this.#drafts.get(place.key)
    if (draft !== undefined) draft.shownAt = 0
  }

  /** The turn is over. */
  close(place: Place): void {
    const draft = this.#drafts.get(place.key)
    if (draft !== undefined) this.#stopped.delete(draft.key)
    this.#drafts.delete(place.key)
  }

  /** Its Stop button was pressed. */
  stop(place: Place): void {
    const draft = this.#drafts.get(place.key)
    if (draft !== undefined) this.#stopped.add(draft.key)
  }

  async #show(place: Place, wire: Content, key: string): Promise<void> {
    const content = deliverable(wire)
    if ('kind' in content || 'rich' in content) return
    const now = this.#deps.now()
    const other = this.#drafts.get(place.key)
    if (other !== undefined && other.key !== key && now - other.madeAt < yieldAfterMs) return
    const draft: Draft = { key, content, madeAt: now, shownAt: 0 }
    this.#drafts.set(place.key, draft)
    await this.#send(place, draft)
  }

  async #send(place: Place, draft: Draft): Promise<void> {
    const { api, addressOf, now } = this.#deps
    if (this.#stopped.has(draft.key) || this.#rest.leftMs(now()) > 0) return
    const { chat, thread } = addressOf(place)
    const { text, entities } = draft.content
    const manner = {
      entities,
      can_stop: true,
      keep_on_stop: true,
      ...(thread === undefined ? {} : { message_thread_id: thread }),
    }
    draft.shownAt = now()
    try {
      await api.call(
        (bot, stop) => bot.sendMessageDraft(Number(chat), draftId(draft.key), text, manner, stop),
        AbortSignal.timeout(patienceMs),
      )
    } catch (error) {
      this.#meet(error, place)
      throw error
    }
  }

  #meet(error: unknown, place: Place): void {
    if (!(error instanceof CallError) || error.failure !== 'refused') return
    // Too many drafts are no reason to send messages instead: those are what is scarce.
    if (error.code === 429) this.#rest.begin(error.retryAfterMs ?? 1000, this.#deps.now())
    else if (error.code === 404) this.#refusedEverywhere = true
    // Who has blocked the bot may let it in again, and a topic that is gone is told by the answer.
    else if (error.code === 400 && !isTopicLost(error.message)) this.#refusedIn.add(place.key)
  }
}

/** A number other than 0, the same for the same turn. */
function draftId(key: string): number {
  let hash = 17
  for (const character of key) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0
  return (Math.abs(hash) % 2_147_483_646) + 1
}
