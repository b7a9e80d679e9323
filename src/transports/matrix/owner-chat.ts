import type { Log } from '../../core/define.ts'
import type { Place } from '../../core/message.ts'
import { DeliveryError, type Memory } from '../../core/transport.ts'
import type { Chores } from './chores.ts'
import { NoAnswer, path, type MatrixClient } from './client.ts'
import type { Rooms } from './rooms.ts'
import { begunForKey, joinedRoom } from './wire.ts'

export interface OwnerChatDeps {
  readonly memory: Memory
  readonly log: Log
  readonly chores: Chores
  readonly rooms: () => Rooms
  /** How many syncs were stored since this process began. */
  readonly syncs: () => number
}

/**
 * The chat with one person in which the bot tells what concerns the whole installation. Where there is none when
 * something has to be told, the bot begins one: once, for whoever leaves it wants none.
 */
export class OwnerChat {
  readonly #deps: OwnerChatDeps
  /** A room that was made and not answered for is known after so many syncs. */
  #surelyKnownAfter = 0

  constructor(deps: OwnerChatDeps) {
    this.#deps = deps
  }

  /** Where to say it, whether there is a room yet or not. */
  placeWith(user: string): Place {
    const room = this.#roomWith(user)
    return room === undefined
      ? { key: `mx:${user}`, transport: 'matrix', chat: user }
      : this.#deps.rooms().place(room)
  }

  /**
   * The room of what is to be said in `chat`, which may be a person's place of `placeWith`. Throws what the client
   * throws, and `DeliveryError` where it is not known yet or the person has left it.
   */
  async roomOf(chat: string, client: MatrixClient, signal: AbortSignal): Promise<string> {
    if (!chat.startsWith('@')) return chat
    const { syncs } = this.#deps
    const known = this.#roomWith(chat)
    if (known !== undefined) return known
    const made = this.#begunWith(chat)
    if (made === undefined && syncs() > this.#surelyKnownAfter) await this.#make(chat, client, signal)
    else if (made !== undefined && this.#isDeserted(made)) {
      throw new DeliveryError('rejected', `${chat} has left the chat that the bot began with them`)
    }
    throw new DeliveryError('rate-limited', `the chat with ${chat} is not known yet`, { retryAfterMs: 500 })
  }

  /** Theirs, if they have begun one, or the one that was begun for them, as long as they are there or invited. */
  #roomWith(user: string): string | undefined {
    const { rooms } = this.#deps
    const made = this.#begunWith(user)
    const direct = rooms().directWith(user)
    if (made === undefined || direct !== undefined) return direct
    const { membership, joined = 2, invited = 0 } = rooms().facts(made)
    return membership === 'join' && joined + invited > 1 ? made : undefined
  }

  /** As the homeserver answered, or, where the answer was lost, as the room itself says. */
  #begunWith(user: string): string | undefined {
    const { memory, rooms } = this.#deps
    return memory.recall(keyOf(user)) ?? rooms().begunFor(user)
  }

  #isDeserted(room: string): boolean {
    const { begunFor, deserted } = this.#deps.rooms().facts(room)
    // Of those that were begun by earlier versions, only that they are known.
    return begunFor === undefined ? this.#deps.rooms().knows(room) : deserted === true
  }

  async #make(user: string, client: MatrixClient, signal: AbortSignal): Promise<void> {
    const { memory, log, chores, syncs } = this.#deps
    const body = {
      preset: 'trusted_private_chat',
      is_direct: true,
      creation_content: { [begunForKey]: user },
      invite: [user],
      initial_state: [
        { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
      ],
    }
    try {
      const call = { method: 'POST', path: path`/createRoom`, body } as const
      const { room_id: room } = await client.call(call, joinedRoom, signal)
      log.info({ room, user }, 'began a chat with the owner')
      const chore = { kind: 'mark-direct', room, user } as const
      memory.remember({ [keyOf(user)]: room, ...chores.pairs([chore]) })
      chores.add([chore])
    } catch (error) {
      // It may be there all the same: the sync after the one that is under way will tell.
      if (error instanceof NoAnswer || signal.aborted) this.#surelyKnownAfter = syncs() + 1
      throw error
    }
  }
}

function keyOf(user: string): string {
  return `owner-chat:${user}`
}
