import type { BotApi } from './bot-api.ts'
import { oneLine } from './clean-text.ts'

/** Until then the button turns; Telegram forgets a press some seconds later. */
const silentAfterMs = 4000
const courtesyMs = 5000
/** As long as a note may be. */
const longestNote = 200

/** The presses that wait for their answer. Each gets one, in time: with a word, or without. */
export class Presses {
  readonly #api: BotApi
  readonly #waiting = new Map<string, NodeJS.Timeout>()

  constructor(api: BotApi) {
    this.#api = api
  }

  heard(query: string): void {
    if (this.#waiting.has(query)) return
    const timer = setTimeout(() => {
      // What became of it is shown in the chat.
      this.answer(query, '').catch(() => {})
    }, silentAfterMs)
    this.#waiting.set(query, timer.unref())
  }

  /** Does nothing where it was answered already. */
  async answer(query: string, text: string): Promise<void> {
    const timer = this.#waiting.get(query)
    if (timer === undefined) return
    clearTimeout(timer)
    this.#waiting.delete(query)
    const note = text === '' ? {} : { text: oneLine(text, longestNote) }
    await this.#api.call(
      (bot, stop) => bot.answerCallbackQuery(query, note, stop),
      AbortSignal.timeout(courtesyMs),
    )
  }
}
