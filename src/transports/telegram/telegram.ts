import type { Policy } from '../../core/authorise.ts'
import type { TransportDeps } from '../../core/define.ts'
import type { MessageRef, Place, Press } from '../../core/message.ts'
import type { Content, Intake, Operation, Transport } from '../../core/transport.ts'
import type { View } from '../../core/view.ts'
import { BotApi } from './bot-api.ts'
import type { TelegramConfig } from './config.ts'
import { deliver, threadOf } from './deliver.ts'
import { queryOf } from './inbound.ts'
import { Poller, usualTempo, type Tempo } from './poller.ts'
import { renderer } from './render.ts'

/** A person's chat takes one message a second, with a little patience. */
const privatePaceMs = 1500
/** A group takes twenty calls a minute from a bot, edits and all; some of them are kept for answers and questions. */
const groupCallsPerMinute = 20
const groupReserve = 5
/** What is only polite is not worth more time. */
const courtesyMs = 5000
/** A press is answered with a short note at most. */
const longestNote = 200

export class Telegram implements Transport {
  readonly policy: Policy
  readonly commandPrefixes = ['/']
  readonly choices = 'buttons'
  readonly dropsDoubles = false
  readonly render: (view: View) => readonly Content[] = renderer()
  readonly #api: BotApi
  readonly #poller: Poller

  constructor(config: TelegramConfig, deps: TransportDeps, tempo: Tempo = usualTempo) {
    const { telegram_token: token, telegram_api_root: root } = config
    this.policy = {
      users: new Set(config.allowed_user_ids),
      rooms: new Set(config.allowed_group_ids),
      privateChats: 'open',
      mentionOnly: config.group_mention_only,
    }
    this.#api = new BotApi({ token, root, timeoutMs: tempo.callTimeoutMs })
    this.#poller = new Poller({
      ...deps,
      policy: this.policy,
      api: this.#api,
      pollApi: new BotApi({ token, root, timeoutMs: tempo.callTimeoutMs + tempo.pollSeconds * 1000 }),
      tempo,
      now: Date.now,
    })
  }

  listen(intake: Intake, signal: AbortSignal): Promise<void> {
    return this.#poller.listen(intake, signal)
  }

  deliver(operation: Operation, signal: AbortSignal): Promise<MessageRef> {
    return deliver(this.#api, operation, signal)
  }

  /** The port asks for the time between two showings in the chat, whichever turn they belong to. */
  progressPaceMs({ chat }: Place): number {
    return isGroup(chat) ? 60_000 / (groupCallsPerMinute - groupReserve) : privatePaceMs
  }

  async typing(place: Place, on: boolean): Promise<void> {
    // It ends by itself after five seconds, or with the next message.
    if (!on) return
    await this.#api.call(
      (bot, stop) => bot.sendChatAction(place.chat, 'typing', threadOf(place), stop),
      AbortSignal.timeout(courtesyMs),
    )
  }

  async answerPress(press: Press, text: string): Promise<void> {
    const note = text.length > longestNote ? `${text.slice(0, longestNote - 1)}…` : text
    await this.#api.call(
      (bot, stop) => bot.answerCallbackQuery(queryOf(press.id), { text: note }, stop),
      AbortSignal.timeout(courtesyMs),
    )
  }
}

function isGroup(chat: string): boolean {
  return chat.startsWith('-')
}
