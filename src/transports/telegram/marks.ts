import type { Mark } from '../../core/transport.ts'
import type { BotApi } from './bot-api.ts'

/** Telegram allows some emoji only: ✅, ❌ and ⏳ are not among them. */
type Emoji = '👀' | '✍' | '💔'

export interface MarkStyle {
  /** Whether a message that was taken, but waits, is marked. */
  readonly seen: boolean
  /** Whether the message of a running turn is marked, and that of one that failed. */
  readonly status: boolean
}

/** Undefined: leave it as it is; nothing: take it away. */
function emojiOf(mark: Mark, { seen, status }: MarkStyle): Emoji | 'nothing' | undefined {
  switch (mark) {
    case 'seen':
      return seen ? '👀' : undefined
    case 'working':
      return status ? '✍' : undefined
    case 'failed':
      return status ? '💔' : seen ? 'nothing' : undefined
    case 'done':
      // The answer is there: it says enough.
      return status || seen ? 'nothing' : undefined
  }
}

/** The bot's reactions to the messages of people: one for each, the newest. */
export class Marks {
  readonly #api: BotApi
  readonly #style: MarkStyle
  /** Calls for the same message go one after another, or the older one may come last. */
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(api: BotApi, style: MarkStyle) {
    this.#api = api
    this.#style = style
  }

  async set(chat: string, message: string, mark: Mark): Promise<void> {
    const emoji = emojiOf(mark, this.#style)
    if (emoji === undefined || !/^\d+$/.test(message)) return
    const key = `${chat}:${message}`
    const before = this.#underWay.get(key) ?? Promise.resolve()
    const call = before.catch(() => {}).then(() => this.#react(chat, Number(message), emoji))
    this.#underWay.set(key, call)
    try {
      await call
    } finally {
      if (this.#underWay.get(key) === call) this.#underWay.delete(key)
    }
  }

  async #react(chat: string, message: number, emoji: Emoji | 'nothing'): Promise<void> {
    const reaction = emoji === 'nothing' ? [] : [{ type: 'emoji' as const, emoji }]
    await this.#api.call(
      (bot, stop) => bot.setMessageReaction(chat, message, reaction, {}, stop),
      AbortSignal.timeout(courtesyMs),
    )
  }
}

const courtesyMs = 5000
