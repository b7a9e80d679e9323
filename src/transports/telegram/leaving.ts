import { authorise, type Policy } from '../../core/authorise.ts'
import type { Log } from '../../core/define.ts'
import { CallError, type BotApi } from './bot-api.ts'

export interface LeavingDeps {
  readonly api: BotApi
  readonly policy: Policy
  readonly log: Log
  /** One of these groups has become another. */
  readonly moved: (from: string, to: string) => void
}

/** Leaves groups and channels that are not in the list, or into which nobody brought the bot who may. */
export class Leaving {
  readonly #deps: LeavingDeps
  readonly #left = new Set<string>()

  constructor(deps: LeavingDeps) {
    this.#deps = deps
  }

  /** Somebody took the bot into a group. */
  async added(chat: string, by: string, signal: AbortSignal): Promise<void> {
    const attempt = { act: 'invite', sender: by, chat, group: true, addressed: false } as const
    if (!authorise(this.#deps.policy, attempt).allowed) await this.#findMoved(chat, signal)
    const verdict = authorise(this.#deps.policy, attempt)
    if (verdict.allowed) this.#deps.log.info({ chat, by }, 'added to a group')
    else await this.#leave(chat, verdict.reason, signal)
  }

  /** Something was written in a group: the bot may be there from a time when it was in the list. */
  async heardIn(chat: string, signal: AbortSignal): Promise<void> {
    const { rooms } = this.#deps.policy
    if (rooms === 'everywhere' || rooms.has(chat) || this.#left.has(chat)) return
    await this.#findMoved(chat, signal)
    if (rooms.has(chat)) return
    await this.#leave(chat, `room ${chat} is not in the list of allowed rooms`, signal)
  }

  async #leave(chat: string, reason: string, signal: AbortSignal): Promise<void> {
    const { api, log } = this.#deps
    this.#left.add(chat)
    log.info({ chat, reason }, 'left a group')
    try {
      await api.call((bot, stop) => bot.leaveChat(chat, stop), signal)
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      // It stays there in silence: no message from there is let in.
      log.warn({ chat, reason: error.message }, 'could not leave a group')
    }
  }

  /** A supergroup that nobody knows may be what a group of the list has become while nobody listened. */
  async #findMoved(chat: string, signal: AbortSignal): Promise<void> {
    const { rooms } = this.#deps.policy
    if (rooms === 'everywhere' || !chat.startsWith('-100')) return
    for (const room of [...rooms].filter((one) => !one.startsWith('-100'))) {
      try {
        await this.#deps.api.call((bot, stop) => bot.getChat(room, stop), signal)
      } catch (error) {
        if (error instanceof CallError && error.movedTo !== undefined) this.#deps.moved(room, error.movedTo)
      }
      if (rooms.has(chat)) return
    }
  }
}
