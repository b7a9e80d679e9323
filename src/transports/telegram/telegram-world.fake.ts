import { Files, plurals, type FileKind } from './telegram-files.fake.ts'
import { fixText, type WireEntity, type WireText } from './telegram-entities.fake.ts'
import type { WireKeyboard } from './telegram-keyboard.fake.ts'
import { networkLimits, type Limits } from './telegram-limits.fake.ts'
import { badRequest, forbidden, Refusal, type Lint } from './telegram-refusal.fake.ts'
import type { WireRich } from './telegram-rich.fake.ts'
import { Updates, type Queued } from './telegram-updates.fake.ts'

export interface WireUser {
  readonly id: number
  readonly is_bot: boolean
  readonly first_name: string
  readonly username?: string
}

export interface WireChat {
  readonly id: number
  readonly type: 'private' | 'group' | 'supergroup' | 'channel'
  readonly title?: string
  readonly first_name?: string
  readonly username?: string
  readonly is_forum?: true
}

export interface WireMessage {
  readonly message_id: number
  readonly date: number
  readonly chat: WireChat
  readonly from?: WireUser
  readonly sender_chat?: WireChat
  readonly text?: string
  readonly entities?: readonly WireEntity[]
  readonly rich_message?: WireRich
  readonly caption?: string
  readonly edit_date?: number
  readonly message_thread_id?: number
  readonly is_topic_message?: true
  readonly reply_to_message?: WireMessage
  readonly reply_markup?: WireKeyboard
  readonly [extra: string]: unknown
}

export interface Topic {
  readonly id: number
  closed: boolean
  deleted: boolean
  readonly opening: WireMessage
}

export interface Chat {
  readonly wire: WireChat
  readonly messages: Map<number, WireMessage>
  readonly topics: Map<number, Topic>
  /** For a private chat: may the bot write? */
  person: 'stranger' | 'started' | 'blocked' | 'deactivated'
  /** For a group: is the bot there? */
  bot: 'administrator' | 'member' | 'restricted' | 'left' | 'kicked'
  movedTo?: number
  /** The highest number that a message here has had; a deleted one's is not given again. */
  newest: number
  /** What a member may not send here: words, or files of a kind. */
  readonly forbidden: Set<Sendable>
}

export type Sendable = 'text' | FileKind

export interface Query {
  readonly id: string
  readonly at: number
  answered: boolean
  /** The bot has tried to answer, in time or not. */
  tried: boolean
  /** How the bot hears of it. */
  update?: Queued | undefined
  linted: boolean
}

/** What the bot is about to write in a private chat. */
export interface Draft extends WireText {
  readonly id: number
  readonly canStop: boolean
}

/** All that the network knows: chats, messages, presses, and the updates that wait for the bot. */
export class World {
  readonly bot: WireUser & { readonly username: string }
  readonly limits: Limits
  readonly lint: Lint
  readonly updates: Updates
  readonly chats = new Map<number, Chat>()
  readonly queries = new Map<string, Query>()
  /** What `setMyCommands` set last, by scope and language. */
  readonly commands = new Map<string, readonly { readonly command: string; readonly description: string }[]>()
  /** The emoji that the bot has put on `chat:message`. */
  readonly reactions = new Map<string, string>()
  readonly files: Files
  /** Private chats of this bot may have topics, as its owner has told @BotFather. */
  topicsInPrivate = true
  /** Older servers know no rich messages, */
  offersRich = true
  /** and no drafts. */
  offersDrafts = true
  readonly #drafts = new Map<string, Draft & { readonly at: number }>()
  readonly #stoppedDrafts = new Set<string>()
  /** Without it the bot sees in groups only what is meant for it. */
  readsGroups = true
  #skewMs = 0
  #frozenAt: number | undefined
  #nextMessage = 1
  #nextQuery = 1
  readonly #sentLately: { readonly chat: number; readonly text: string; readonly at: number }[] = []

  constructor(username: string, id: number, limits: Partial<Limits>, lint: Lint) {
    this.bot = { id, is_bot: true, first_name: username, username }
    this.limits = { ...networkLimits, ...limits }
    this.lint = lint
    this.files = new Files(this.limits, () => this.now())
    this.updates = new Updates(this.limits, () => this.now(), lint)
  }

  /** Milliseconds since 1970, as this network has them. */
  now(): number {
    return (this.#frozenAt ?? Date.now()) + this.#skewMs
  }

  /** Time passes only by `advance` from now on. */
  freeze(): void {
    this.#frozenAt = Date.now()
  }

  advance(ms: number): void {
    this.#skewMs += ms
  }

  open(wire: WireChat): Chat {
    const chat: Chat = {
      wire,
      messages: new Map(),
      topics: new Map(),
      person: 'stranger',
      bot: 'member',
      newest: 0,
      forbidden: new Set(),
    }
    this.chats.set(wire.id, chat)
    return chat
  }

  /** Supergroups and channels number their messages themselves; all other chats of the bot share a counter. */
  nextMessageId(chat: Chat): number {
    if (chat.wire.type === 'private' || chat.wire.type === 'group') return this.#nextMessage++
    chat.newest += 1
    return chat.newest
  }

  /** Puts a message into its chat as it stands, and gives it. */
  put(chat: Chat, message: Omit<WireMessage, 'message_id' | 'date' | 'chat'>): WireMessage {
    const full: WireMessage = {
      message_id: this.nextMessageId(chat),
      date: Math.floor(this.now() / 1000),
      chat: chat.wire,
      ...message,
    }
    chat.messages.set(full.message_id, full)
    return full
  }

  /** The chat that the bot names, if it may write this there; else throws what the server says. */
  writable(id: number, what: Sendable = 'text'): Chat {
    const chat = this.reachable(id)
    const isRestricted = chat.bot === 'restricted' || (chat.bot === 'member' && chat.forbidden.has(what))
    if (isRestricted && chat.wire.type !== 'private') {
      const kind = what === 'text' ? 'text messages' : plurals[what]
      throw badRequest(`not enough rights to send ${kind} to the chat`)
    }
    return chat
  }

  /** The chat that the bot names, if it is there; else throws what the server says. */
  reachable(id: number): Chat {
    const chat = this.chats.get(id)
    if (chat === undefined) throw badRequest('chat not found')
    if (chat.movedTo !== undefined) {
      throw new Refusal(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
        migrate_to_chat_id: chat.movedTo,
      })
    }
    if (chat.wire.type === 'private') return this.#reachablePerson(chat)
    const kind = chat.wire.type === 'channel' ? 'channel' : chat.wire.type
    if (chat.bot === 'kicked') throw forbidden(`bot was kicked from the ${kind} chat`)
    if (chat.bot === 'left') throw forbidden(`bot is not a member of the ${kind} chat`)
    return chat
  }

  #reachablePerson(chat: Chat): Chat {
    switch (chat.person) {
      case 'stranger':
        throw forbidden("bot can't initiate conversation with a user")
      case 'blocked':
        throw forbidden('bot was blocked by the user')
      case 'deactivated':
        throw forbidden('user is deactivated')
      case 'started':
        return chat
    }
  }

  /**
   * The topic that the bot names; where it names none, that of the message that it answers. Elsewhere than in a forum
   * a thread id does nothing.
   */
  topic(chat: Chat, thread: number | undefined, answered?: WireMessage): Topic | undefined {
    if (thread === undefined) {
      if (answered?.is_topic_message !== true || answered.message_thread_id === undefined) return undefined
      return this.topic(chat, answered.message_thread_id)
    }
    const may = chat.wire.type === 'private' ? this.topicsInPrivate : chat.wire.is_forum === true
    if (!may) {
      if (chat.wire.type === 'private') throw badRequest('message thread not found')
      this.lint(`message_thread_id ${thread} in a chat without topics`)
      return undefined
    }
    const topic = chat.topics.get(thread)
    // General has the number 1 in clients, but the bot may not name it.
    const general = thread === 1 && chat.wire.type !== 'private'
    if (topic === undefined || topic.deleted || general) throw badRequest('message thread not found')
    if (topic.closed && chat.wire.type !== 'private' && chat.bot !== 'administrator')
      throw badRequest('TOPIC_CLOSED')
    return topic
  }

  /** What is shown as being written; it goes after a while. */
  draft(chat: number, thread?: number): Draft | undefined {
    const draft = this.#drafts.get(`${chat}:${thread ?? 0}`)
    return draft !== undefined && this.now() - draft.at < this.limits.draftLifeMs ? draft : undefined
  }

  showDraft(chat: number, thread: number | undefined, draft: Draft): void {
    const key = `${chat}:${thread ?? 0}`
    const before = this.#drafts.get(key)
    if (before?.id === draft.id && this.draft(chat, thread) === undefined) {
      this.lint(`the draft ${draft.id} goes on after it has expired`)
    }
    if (this.#stoppedDrafts.has(`${key}:${draft.id}`))
      this.lint(`the draft ${draft.id} goes on after its stop`)
    else this.#drafts.set(key, { ...draft, at: this.now() })
  }

  endDraft(chat: number, thread: number | undefined): void {
    this.#drafts.delete(`${chat}:${thread ?? 0}`)
  }

  stopDraft(chat: number, thread: number | undefined, id: number): void {
    this.#stoppedDrafts.add(`${chat}:${thread ?? 0}:${id}`)
  }

  fixText(text: string, entities: readonly WireEntity[]): WireText {
    return fixText(text, entities, this.limits, this.lint)
  }

  fixCaption(text: string, entities: readonly WireEntity[]): WireText {
    const { captionCharacters: characters } = this.limits
    return fixText(text, entities, { ...this.limits, characters }, this.lint)
  }

  noteSent(chat: number, text: string): void {
    const at = this.now()
    if (this.#sentLately.some((sent) => sent.chat === chat && sent.text === text && at - sent.at < 3000)) {
      this.lint(`the same text was sent to ${chat} twice within 3 s`)
    }
    this.#sentLately.push({ chat, text, at })
  }

  newQuery(): Query {
    const query: Query = {
      id: `${this.#nextQuery++}000000000000`,
      at: this.now(),
      answered: false,
      tried: false,
      linted: false,
    }
    this.queries.set(query.id, query)
    return query
  }

  /** Somebody looks at a button that turns, and nothing comes. */
  lintUnanswered(): void {
    for (const query of this.queries.values()) {
      const isLate = this.now() - query.at > this.limits.pressAnswerMs
      const isHeard = query.update?.given === true && !query.tried
      if (!isLate || query.linted || !(isHeard || query.update === undefined)) continue
      query.linted = true
      this.lint(`the press ${query.id} was never answered`)
    }
  }
}

/** Replies in plain supergroups have a thread id too; messages in a topic answer the one that opened it. */
export function threadOfMessage(
  chat: Chat,
  topic: Topic | undefined,
  answered: WireMessage | undefined,
): Partial<WireMessage> {
  const reply = answered ?? topic?.opening
  return {
    ...(reply === undefined ? {} : { reply_to_message: reply }),
    ...(topic === undefined
      ? answered !== undefined && chat.wire.type === 'supergroup'
        ? { message_thread_id: answered.message_thread_id ?? answered.message_id }
        : {}
      : { message_thread_id: topic.id, is_topic_message: true }),
  }
}
