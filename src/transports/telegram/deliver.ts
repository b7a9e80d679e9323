import { z } from 'zod'
import type { Log } from '../../core/define.ts'
import type { MessageRef, Place } from '../../core/message.ts'
import { DeliveryError, type Content, type Memory, type Operation, type Post } from '../../core/transport.ts'
import { CallError, type BotApi } from './bot-api.ts'
import type { Budget } from './budget.ts'
import type { Chats, Fact } from './chats.ts'
import { deliverable, filesOf, type FilesContent, type WordsContent } from './content.ts'
import { failureOf, isAboutContent, isRefusal, isTopicLost, isUnwanted } from './failure.ts'
import { sendFiles } from './files-out.ts'
import { findPost } from './find.ts'
import type { Ledger } from './ledger.ts'
import { fromLostTopic } from './lost-topic.ts'
import { editText, sendText, type Manner } from './text-out.ts'

type Edit = Extract<Operation, { type: 'edit' }>
type Delete = Extract<Operation, { type: 'delete' }>

export interface DeliveryDeps {
  readonly api: BotApi
  readonly chats: Chats
  readonly ledger: Ledger
  readonly budget: Budget
  readonly memory: Memory
  readonly log: Log
  readonly now: () => number
  /** What was learnt of a chat. */
  readonly learnt: (fact: Fact) => void
  /** Telegram does not take this content as a rich message: it is to be rendered as text. */
  readonly richRefused: (content: Content) => void
}

/** Where a call goes: the chat as it is called now, and the topic, as long as the bot may write there. */
export interface Address {
  readonly chat: string
  readonly thread?: number
}

/** Carries operations out. What Telegram says about a chat on the way is learnt, and followed at once. */
export class Delivery {
  readonly #deps: DeliveryDeps

  constructor(deps: DeliveryDeps) {
    this.#deps = deps
  }

  /** Throws only `DeliveryError`. */
  async deliver(operation: Operation, signal: AbortSignal): Promise<MessageRef> {
    try {
      switch (operation.type) {
        case 'post':
          return await this.#post(operation, signal)
        case 'edit':
          return await this.#edit(operation, signal)
        case 'delete':
          return await this.#remove(operation, signal)
      }
    } catch (error) {
      throw failureOf(error, operation.type)
    }
  }

  /** Looks for a post whose answer was lost. Throws only `DeliveryError`. */
  async find(
    post: Post,
    others: ReadonlySet<MessageRef>,
    signal: AbortSignal,
  ): Promise<MessageRef | undefined> {
    const { api, ledger } = this.#deps
    const { chat } = this.addressOf(post.place)
    const after = Math.max(ledger.begunAfter(post.key) ?? 0, this.#answered(post) ?? 0)
    if (after === 0) return undefined
    try {
      // Looking shows nothing: were it counted, a busy chat would never have room for the post itself.
      this.#ready(chat, 0)
      const content = fromLostTopic(deliverable(post.content), this.#deps.chats.lostTopic(post.place))
      const taken = (id: number): boolean =>
        others.has(refOf(post.place, chat, id)) || ledger.isElsewhere(chat, id)
      const settled = ledger.unsettledMs(post.key, this.#deps.now()) === 0
      const range = {
        after,
        newest: ledger.newest(chat),
        searched: ledger.searchedTo(post.key),
        taken,
        // Where it may still come to be, it has to be looked for again.
        missed: (id: number) => settled && ledger.missed(post.key, id),
      }
      const found = await this.#told(chat, () => findPost(api, chat, content, range, signal), 0)
      if (found === undefined) return this.#notThere(post.key)
      this.#deps.budget.spend(chat, this.#deps.now())
      // The messages of an album have numbers that follow each other.
      const more = Array.from({ length: messagesOf(content) - 1 }, (_, index) => found + 1 + index)
      return refOf(post.place, chat, this.#noteSent(post.key, chat, [found, ...more]))
    } catch (error) {
      throw failureOf(error, 'post')
    }
  }

  /** Sends a message that nobody waits for, once. Throws only `DeliveryError`. */
  async show(place: Place, wire: Content, signal: AbortSignal): Promise<void> {
    const { chat, thread } = this.addressOf(place)
    const manner = {
      disable_notification: true,
      ...(thread === undefined ? {} : { message_thread_id: thread }),
    }
    try {
      const content = deliverable(wire)
      if ('kind' in content) throw new TypeError('files are shown as posts')
      this.#ready(chat)
      const sent = await this.#told(chat, () => sendText(this.#deps.api, chat, content, manner, signal))
      // No post of the outbox: whoever looks for one must not change it.
      for (const id of idsOf(sent)) this.#deps.ledger.saw(chat, id)
    } catch (error) {
      throw failureOf(error, 'post')
    }
  }

  addressOf(place: Place): Address {
    const { chats } = this.#deps
    const thread = chats.lostTopic(place) === undefined ? place.thread : undefined
    return {
      chat: chats.presentOf(place.chat),
      ...(thread === undefined ? {} : { thread: Number(thread) }),
    }
  }

  async #post(operation: Post, signal: AbortSignal): Promise<MessageRef> {
    const { ledger, chats } = this.#deps
    const { place, key } = operation
    // At most one more try for each thing that can be learnt: the chat has moved, its topic is lost.
    for (let tries = 1; ; tries += 1) {
      const { chat } = this.addressOf(place)
      const content = fromLostTopic(deliverable(operation.content), chats.lostTopic(place))
      const messages = messagesOf(content)
      this.#ready(chat, messages)
      this.#beginPost(operation, chat)
      try {
        const sent = await this.#told(chat, () => this.#send(operation, content, signal), messages)
        return refOf(place, chat, this.#noteSent(key, chat, idsOf(sent)))
      } catch (error) {
        if (isRefused(error)) ledger.refused(key)
        this.#askForText(error, operation.content, content)
        if (tries > 2 || !(error instanceof CallError) || !this.#learn(error, place)) throw error
        if (chats.isReachable(chat) === false) throw error
      }
    }
  }

  #beginPost(operation: Post, chat: string): void {
    const { ledger, now } = this.#deps
    try {
      ledger.begin(operation.key, chat, now(), this.#answered(operation))
    } catch (error) {
      throw new DeliveryError('unreachable', 'it could not be written down that a post begins', {
        cause: error,
      })
    }
  }

  /** A call that is still on its way would make two of it: for a moment nobody knows. */
  #notThere(key: string): undefined {
    const wait = this.#deps.ledger.unsettledMs(key, this.#deps.now())
    if (wait > 0) {
      throw new DeliveryError('rate-limited', 'what was sent may still be on its way', { retryAfterMs: wait })
    }
  }

  /** The number of the message that this one answers, where it stands in the same chat. */
  #answered({ place, replyTo }: Post): number | undefined {
    const here = this.addressOf(place).chat === place.chat
    return here && replyTo !== undefined && /^\d{1,15}$/.test(replyTo) ? Number(replyTo) : undefined
  }

  /** Gives the first number: it stands for all of an album. */
  #noteSent(key: string, chat: string, ids: readonly [number, ...number[]]): number {
    for (const id of ids) this.#deps.ledger.saw(chat, id, true)
    this.#deps.ledger.end(key)
    return ids[0]
  }

  async #send(operation: Post, content: WordsContent | FilesContent, signal: AbortSignal): Promise<unknown> {
    const { api } = this.#deps
    const { place, notify } = operation
    const { chat, thread } = this.addressOf(place)
    // An answer goes where the message is that it answers: also into a topic that takes no more.
    const isLost = this.#deps.chats.lostTopic(place) !== undefined
    const answered = isLost ? undefined : this.#answered(operation)
    const manner: Manner = {
      ...(thread === undefined ? {} : { message_thread_id: thread }),
      disable_notification: !notify,
      ...(answered === undefined
        ? {}
        : { reply_parameters: { message_id: answered, allow_sending_without_reply: true } }),
    }
    if (!('kind' in content)) return sendText(api, chat, content, manner, signal)
    const fields = Object.entries({ chat_id: chat, ...manner }).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ])
    const outcome = await sendFiles(api, filesOf(content), Object.fromEntries(fields), signal)
    if ('sent' in outcome) return outcome.sent
    return sendText(api, chat, { text: outcome.unsent, entities: [] }, manner, signal)
  }

  async #edit({ place, ref, content: wire }: Edit, signal: AbortSignal): Promise<MessageRef> {
    const { api, chats } = this.#deps
    const { chat, id } = this.#messageOf(place, ref)
    const content = fromLostTopic(deliverable(wire), chats.lostTopic(place))
    // Files stay those that they were.
    if ('kind' in content) return ref
    this.#ready(chat)
    try {
      await this.#told(chat, () => editText(api, chat, id, content, signal))
    } catch (error) {
      if (isRefusal(error, /message is not modified/i)) return ref
      this.#askForText(error, wire, content)
      if (error instanceof CallError) this.#learn(error, place)
      throw error
    }
    return ref
  }

  async #remove({ place, ref }: Delete, signal: AbortSignal): Promise<MessageRef> {
    const { chat, id } = this.#messageOf(place, ref)
    try {
      await this.#told(chat, () =>
        this.#deps.api.call((bot, stop) => bot.deleteMessage(chat, id, stop), signal),
      )
    } catch (error) {
      if (!isRefusal(error, /message to delete not found|message_id_invalid/i)) throw error
    }
    return ref
  }

  /** Messages of a group that has become a supergroup stay behind, out of reach. */
  #messageOf({ chat: wasIn }: Place, ref: MessageRef): { chat: string; id: number } {
    const [, other, id] = /^(?:(-?\d+):)?(\d+)$/.exec(ref) ?? []
    const chat = other ?? wasIn
    if (id === undefined || this.#deps.chats.presentOf(chat) !== chat) {
      throw new DeliveryError('gone', 'the message stayed behind in the group that this one was before')
    }
    return { chat, id: Number(id) }
  }

  /** Throws where the chat must rest: it was told so, or it is better not to let it come to that. */
  #ready(chat: string, messages = 1): void {
    const { chats, budget, now } = this.#deps
    const told = chats.restMs(chat, now())
    const wait = Math.max(told, budget.waitMs(chat, now(), messages))
    if (wait <= 0) return
    const why =
      told > 0 ? 'the chat rests, as Telegram has asked' : 'the chat has had all that it may have for now'
    throw new DeliveryError('rate-limited', why, { retryAfterMs: wait })
  }

  /** Throws where Telegram does not take a rich message as such: the next try is text. */
  #askForText(error: unknown, wire: Content, content: WordsContent | FilesContent): void {
    if (!('rich' in content) || !(error instanceof CallError) || !isAboutContent(error)) return
    this.#deps.log.warn({ reason: error.message }, 'Telegram does not take a rich message; it goes as text')
    this.#deps.richRefused(wire)
    throw new DeliveryError('unreachable', `Telegram does not take the rich message: ${error.message}`)
  }

  /** Makes a call that counts, and remembers for how long the chat is to be left alone. */
  async #told<T>(chat: string, call: () => Promise<T>, messages = 1): Promise<T> {
    const { budget, chats, log, now } = this.#deps
    budget.spend(chat, now(), messages)
    try {
      return await call()
    } catch (error) {
      if (error instanceof CallError && error.code === 429) {
        const ms = error.retryAfterMs ?? 1000
        log.warn({ chat, ms }, 'Telegram wants a chat to rest')
        this.#remember(() => chats.rest(chat, ms, now()))
      }
      throw error
    }
  }

  /** What a refusal says about the chat. True: it is worth another try. */
  #learn(error: CallError, place: Place): boolean {
    const { log, memory, chats } = this.#deps
    const fact = factOf(error, place, chats)
    if (fact === undefined) return false
    log.info({ place: place.key, fact, reason: error.message }, 'learnt something of a chat')
    const entries = chats.learn(fact)
    this.#deps.learnt(fact)
    this.#remember(() => memory.remember(entries))
    return fact.kind !== 'person'
  }

  /** Good to know after a restart, but not worth a delivery. */
  #remember(write: () => void): void {
    try {
      write()
    } catch (error) {
      this.#deps.log.debug({ err: error }, 'something of a chat could not be written down')
    }
  }
}

/** The number of the message, with its chat where that is not the one that the place names. */
function refOf(place: Place, chat: string, id: number): MessageRef {
  return chat === place.chat ? String(id) : `${chat}:${id}`
}

function factOf(error: CallError, place: Place, chats: Chats): Fact | undefined {
  if (error.movedTo !== undefined) {
    return { kind: 'moved', from: chats.presentOf(place.chat), to: error.movedTo }
  }
  if (isUnwanted(error)) return { kind: 'person', chat: place.chat, reachable: false }
  if (!isTopicLost(error.message) || place.thread === undefined) return undefined
  if (chats.lostTopic(place) !== undefined) return undefined
  const state = /topic_closed/i.test(error.message) ? 'closed' : 'deleted'
  return { kind: 'topic', chat: place.chat, thread: place.thread, state }
}

const sentMessage = z.object({ message_id: z.int() })
const sentMessages = z.tuple([sentMessage], sentMessage)

/** The numbers of what was sent: one, or those of an album. */
function idsOf(sent: unknown): [number, ...number[]] {
  const parsed = sentMessages.safeParse(Array.isArray(sent) ? sent : [sent])
  if (!parsed.success) throw new CallError('lost', 'the answer to a post names no message')
  const [first, ...more] = parsed.data
  return [first.message_id, ...more.map(({ message_id: id }) => id)]
}

function messagesOf(content: WordsContent | FilesContent): number {
  return 'kind' in content ? filesOf(content).length : 1
}

function isRefused(error: unknown): boolean {
  return error instanceof CallError && error.failure !== 'lost'
}
