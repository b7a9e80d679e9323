import { wireFile } from './telegram-media.fake.ts'
import {
  threadOfMessage,
  type Chat,
  type Sendable,
  type WireChat,
  type WireMessage,
  type WireUser,
  type World,
} from './telegram-world.fake.ts'

export interface Writing {
  /** The group; without it the private chat with the bot. */
  readonly in?: Group
  readonly topic?: number
  readonly replyTo?: number
  /** As the chat itself: an anonymous admin (the group), or a channel. */
  readonly as?: WireChat
  /** The text is the caption of a photo. */
  readonly photo?: boolean
  /** Further fields of the message, as they are. */
  readonly extra?: Readonly<Record<string, unknown>>
}

/** Somebody with an account. */
export class Person {
  readonly user: WireUser
  readonly #world: World
  readonly #chat: Chat

  constructor(user: WireUser, world: World) {
    this.user = user
    this.#world = world
    this.#chat = world.open({
      id: user.id,
      type: 'private',
      first_name: user.first_name,
      ...(user.username === undefined ? {} : { username: user.username }),
    })
  }

  get id(): number {
    return this.user.id
  }

  /** Has pressed Start once, long ago: the bot may write. */
  starts(): this {
    this.#chat.person = 'started'
    return this
  }

  /** Sends a message, and gives its id. */
  writes(text: string, writing: Writing = {}): number {
    return this.#put(bodyOf(text, writing.photo === true), writing)
  }

  #put(body: Partial<WireMessage>, writing: Writing): number {
    const chat = this.#chatOf(writing)
    if (chat === this.#chat) this.#chat.person = 'started'
    const message = this.#world.put(chat, {
      ...(writing.as === undefined ? { from: this.user } : { from: anonymous, sender_chat: writing.as }),
      ...body,
      ...replyFields(chat, writing),
      ...writing.extra,
    })
    if (this.#botSees(chat, message)) this.#world.updates.push('message', message)
    return message.message_id
  }

  /** Sends a file, and gives the id of the message. */
  sends(kind: string, { name, bytes, caption, ...about }: SentFile, writing: Writing = {}): number {
    const file = this.#world.files.keep(kind, name, bytes)
    const wire = wireFile(kind, file)
    const described = Object.fromEntries(
      Object.entries(wire).map(([key, value]) => [
        key,
        Array.isArray(value) ? value : { ...Object(value), ...about },
      ]),
    )
    const words = caption === undefined ? {} : { caption }
    return this.#put({ ...described, ...words }, writing)
  }

  /** Opens a topic in the private chat with the bot. */
  topic(name: string): number {
    this.#chat.person = 'started'
    return openTopic(this.#world, this.#chat, name, this.user)
  }

  deletesTopic(id: number): void {
    deleteTopic(this.#chat, id)
  }

  /** Presses Telegram's own Stop button under what the bot is writing. */
  stops(topic?: number): void {
    const draft = this.#world.draft(this.id, topic)
    if (draft?.canStop !== true) throw new Error('there is nothing to stop')
    this.#world.stopDraft(this.id, topic, draft.id)
    this.#world.updates.push('stopped_message_generation', {
      chat: this.#chat.wire,
      draft_id: draft.id,
      ...(topic === undefined ? {} : { message_thread_id: topic }),
    })
  }

  edits(messageId: number, text: string, writing: Writing = {}): void {
    const chat = this.#chatOf(writing)
    const old = chat.messages.get(messageId)
    if (old?.from?.id !== this.id) throw new Error(`message ${messageId} is not this person's`)
    const { entities: _old, ...kept } = old
    const message: WireMessage = {
      ...kept,
      ...bodyOf(text, old['photo'] !== undefined),
      edit_date: Math.floor(this.#world.now() / 1000),
    }
    chat.messages.set(messageId, message)
    if (this.#botSees(chat, message)) this.#world.updates.push('edited_message', message)
  }

  /** Presses the button with this label on a message of the bot, and gives the id of the press. */
  presses(messageId: number, label: string, writing: Pick<Writing, 'in'> = {}): string {
    const message = this.#chatOf(writing).messages.get(messageId)
    const button = message?.reply_markup?.inline_keyboard.flat().find(({ text }) => text === label)
    if (button?.callback_data === undefined) throw new Error(`message ${messageId} has no button “${label}”`)
    const query = this.#world.newQuery()
    query.update = this.#world.updates.push('callback_query', {
      id: query.id,
      from: this.user,
      message,
      chat_instance: '1',
      data: button.callback_data,
    })
    return query.id
  }

  /** Puts an emoji on a message, or takes it away; the bot hears of it in private, and in groups that it governs. */
  reacts(messageId: number, emoji?: string, writing: Pick<Writing, 'in'> = {}): void {
    const chat = this.#chatOf(writing)
    if (!chat.messages.has(messageId)) throw new Error(`there is no message ${messageId}`)
    if (chat.wire.type !== 'private' && chat.bot !== 'administrator') return
    this.#world.updates.push('message_reaction', {
      chat: chat.wire,
      message_id: messageId,
      user: this.user,
      date: Math.floor(this.#world.now() / 1000),
      old_reaction: [],
      new_reaction: emoji === undefined ? [] : [{ type: 'emoji', emoji }],
    })
  }

  blocks(): void {
    this.#chat.person = 'blocked'
    this.#world.updates.push('my_chat_member', this.#membership(this.#chat, 'member', 'kicked'))
  }

  unblocks(): void {
    this.#chat.person = 'started'
    this.#world.updates.push('my_chat_member', this.#membership(this.#chat, 'kicked', 'member'))
  }

  deletesAccount(): void {
    this.#chat.person = 'deactivated'
  }

  adds(group: Group): void {
    const before = group.chat.bot
    group.chat.bot = 'member'
    this.#world.updates.push('my_chat_member', this.#membership(group.chat, before, 'member'))
    const joined = this.#world.put(group.chat, { from: this.user, new_chat_members: [this.#world.bot] })
    this.#world.updates.push('message', joined)
  }

  removes(group: Group): void {
    const before = group.chat.bot
    group.chat.bot = 'kicked'
    this.#world.updates.push('my_chat_member', this.#membership(group.chat, before, 'kicked'))
  }

  promotes(group: Group): void {
    const before = group.chat.bot
    group.chat.bot = 'administrator'
    this.#world.updates.push('my_chat_member', this.#membership(group.chat, before, 'administrator'))
  }

  #chatOf({ in: group }: Pick<Writing, 'in'>): Chat {
    return group?.chat ?? this.#chat
  }

  #membership(chat: Chat, before: string, after: string): object {
    return {
      chat: chat.wire,
      from: this.user,
      date: Math.floor(this.#world.now() / 1000),
      old_chat_member: { user: this.#world.bot, status: before },
      new_chat_member: { user: this.#world.bot, status: after },
    }
  }

  #botSees(chat: Chat, message: WireMessage): boolean {
    if (chat.wire.type === 'private') return true
    if (chat.bot === 'left' || chat.bot === 'kicked') return false
    if (this.#world.readsGroups || chat.bot === 'administrator') return true
    const text = message.text ?? ''
    const name = `@${this.#world.bot.username}`.toLowerCase()
    return (
      text.startsWith('/') ||
      text.toLowerCase().includes(name) ||
      message.reply_to_message?.from?.id === this.#world.bot.id
    )
  }
}

/** A group with people in it. */
export class Group {
  readonly chat: Chat
  readonly #world: World

  constructor(wire: WireChat, world: World) {
    this.chat = world.open(wire)
    this.#world = world
    // Message 1 of a supergroup is always the word of its beginning, so no topic can be number 1.
    world.put(this.chat, { supergroup_chat_created: true })
  }

  get id(): number {
    return this.chat.wire.id
  }

  /** Opens a topic; its number is that of the message that says so. */
  topic(name: string, by?: WireUser): number {
    return openTopic(this.#world, this.chat, name, by ?? this.#world.bot)
  }

  /** Gives a topic another name. */
  renamesTopic(id: number, name: string, by: WireUser): void {
    this.#tell(id, by, { forum_topic_edited: { name } })
  }

  /** Opens a closed topic again. */
  reopensTopic(id: number, by: WireUser): void {
    const topic = this.chat.topics.get(id)
    if (topic !== undefined) topic.closed = false
    this.#tell(id, by, { forum_topic_reopened: {} })
  }

  #tell(topic: number, by: WireUser, news: object): void {
    const message = this.#world.put(this.chat, {
      from: by,
      message_thread_id: topic,
      is_topic_message: true,
      ...news,
    })
    this.#world.updates.push('message', message)
  }

  closesTopic(id: number): void {
    const topic = this.chat.topics.get(id)
    if (topic !== undefined) topic.closed = true
  }

  deletesTopic(id: number): void {
    deleteTopic(this.chat, id)
  }

  /** Members may send no such thing any more. */
  forbids(...what: readonly Sendable[]): void {
    for (const one of what) this.chat.forbidden.add(one)
  }

  /** Becomes a supergroup under another id. `quietly`: nobody tells the bot. */
  moves(id: number, { quietly = false } = {}): Group {
    this.chat.movedTo = id
    const moved = this.#world.put(this.chat, { migrate_to_chat_id: id })
    const group = new Group({ ...this.chat.wire, id, type: 'supergroup' }, this.#world)
    const came = this.#world.put(group.chat, { migrate_from_chat_id: this.id })
    if (quietly) return group
    this.#world.updates.push('message', moved)
    this.#world.updates.push('message', came)
    return group
  }
}

export interface SentFile {
  readonly name: string
  readonly bytes: Uint8Array
  readonly caption?: string
  /** Further fields of the file, as they are. */
  readonly [more: string]: unknown
}

function openTopic(world: World, chat: Chat, name: string, by: WireUser): number {
  const opening = world.put(chat, {
    from: by,
    forum_topic_created: { name, icon_color: 0 },
    is_topic_message: true,
  })
  const id = opening.message_id
  const full = { ...opening, message_thread_id: id }
  chat.messages.set(id, full)
  chat.topics.set(id, { id, closed: false, deleted: false, opening: full })
  return id
}

/** All that was written in it goes with it. */
function deleteTopic(chat: Chat, id: number): void {
  const topic = chat.topics.get(id)
  if (topic !== undefined) topic.deleted = true
  for (const message of chat.messages.values()) {
    if (message.message_thread_id === id) chat.messages.delete(message.message_id)
  }
}

const anonymous: WireUser = {
  id: 1_087_968_824,
  is_bot: true,
  first_name: 'Group',
  username: 'GroupAnonymousBot',
}

function bodyOf(text: string, photo: boolean): Partial<WireMessage> {
  const entities = [
    ...found(text, /(?<=^|\s)\/[a-z0-9_]+(?:@[a-z0-9_]+)?/gi, 'bot_command'),
    ...found(text, /(?<=^|\s)@[a-z0-9_]{3,}/gi, 'mention'),
    ...found(text, /https?:\/\/\S+/gi, 'url'),
  ].toSorted((a, b) => a.offset - b.offset)
  if (photo) {
    return {
      photo: [{ file_id: 'photo', file_unique_id: 'p', width: 90, height: 90 }],
      ...(text === '' ? {} : { caption: text, caption_entities: entities }),
    }
  }
  return { text, ...(entities.length === 0 ? {} : { entities }) }
}

function found(text: string, pattern: RegExp, type: string) {
  return Array.from(text.matchAll(pattern), ({ index, 0: word }) => ({
    type,
    offset: index,
    length: word.length,
  }))
}

function replyFields(chat: Chat, { topic, replyTo }: Writing): Partial<WireMessage> {
  const answered = replyTo === undefined ? undefined : chat.messages.get(replyTo)
  return threadOfMessage(chat, topic === undefined ? undefined : chat.topics.get(topic), answered)
}
