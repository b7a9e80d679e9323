import type { Place } from '../../core/message.ts'
import type { Memory } from '../../core/transport.ts'
import { Rest } from '../../lib/rest.ts'

/** As far as the bot is concerned: may it write there? */
export type TopicState = 'open' | 'closed' | 'deleted'

/** What is known of a chat from what happened in it. */
export type Fact =
  /** A group has become a supergroup, under another id. */
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  | {
      readonly kind: 'topic'
      readonly chat: string
      readonly thread: string
      readonly name?: string
      /** As it was called when it was opened. */
      readonly firstName?: string
      readonly state?: TopicState
    }
  /** Those in it see rich messages, or not: a bot cannot tell, so they say it. */
  | { readonly kind: 'rich'; readonly chat: string; readonly on: boolean }
  /** A person has opened a private chat with the bot, or has blocked it. */
  | { readonly kind: 'person'; readonly chat: string; readonly reachable: boolean }

const generalThread = '1'

/** The chats as the bot has come to know them: small, durable, and in memory while it runs. */
export class Chats {
  readonly #memory: Memory
  /** Old id to new id, and back. */
  readonly #moved = new Map<string, string>()
  readonly #original = new Map<string, string>()
  readonly #topics = new Map<string, { readonly name?: string; readonly state: TopicState }>()
  readonly #people = new Map<string, boolean>()
  readonly #rich = new Set<string>()
  readonly #rests = new Map<string, Rest>()

  constructor(memory: Memory) {
    this.#memory = memory
    for (const [key, to] of memory.list('moved/')) this.#keepMove(key.slice('moved/'.length), to)
    for (const [key, value] of memory.list('topic/')) this.#topics.set(key, topicOf(value))
    for (const [key, value] of memory.list('person/')) {
      this.#people.set(key.slice('person/'.length), value === 'reachable')
    }
    for (const [key] of memory.list('rich/')) this.#rich.add(key.slice('rich/'.length))
    for (const [key, value] of memory.list('rest/')) {
      this.#rests.set(key.slice('rest/'.length), new Rest(Number(value)))
    }
  }

  /** What has to be remembered for this fact; it holds here already. Nothing where it is known. */
  learn(fact: Fact): Readonly<Record<string, string | null>> {
    switch (fact.kind) {
      case 'moved':
        if (this.#moved.get(fact.from) === fact.to) return {}
        this.#keepMove(fact.from, fact.to)
        return { [`moved/${fact.from}`]: fact.to }
      case 'person':
        if (this.#people.get(fact.chat) === fact.reachable) return {}
        this.#people.set(fact.chat, fact.reachable)
        return { [`person/${fact.chat}`]: fact.reachable ? 'reachable' : 'blocked' }
      case 'topic':
        return this.#learnTopic(fact)
      case 'rich':
        if (fact.on) this.#rich.add(fact.chat)
        else this.#rich.delete(fact.chat)
        return { [`rich/${fact.chat}`]: fact.on ? 'on' : null }
    }
  }

  /** Do its people see rich messages, as they say? All topics of a chat share that. */
  isRich(chat: string): boolean {
    return this.#rich.has(chat)
  }

  /** The id under which the conversations of this chat began: that of the group that it was before. */
  originalOf(chat: string): string {
    return this.#original.get(chat) ?? chat
  }

  /** The id that this chat has now. */
  presentOf(chat: string): string {
    return this.#moved.get(chat) ?? chat
  }

  /** All ids of groups that the chats in `listed` have become. */
  presentOfAll(listed: Iterable<string>): readonly string[] {
    return [...listed].flatMap((chat) => this.#moved.get(chat) ?? [])
  }

  /** What is known of the topic of this place; undefined where it is none, or all is well with it. */
  lostTopic({ chat, thread }: Place): { readonly name?: string; readonly state: TopicState } | undefined {
    if (thread === undefined) return undefined
    const topic = this.#topics.get(topicKey(chat, thread))
    return topic === undefined || topic.state === 'open' ? undefined : topic
  }

  /** Has this person opened the chat with the bot, and not blocked it since? Undefined: nobody knows. */
  isReachable(chat: string): boolean | undefined {
    return this.#people.get(chat)
  }

  /** Milliseconds for which the network wants no call to this chat. */
  restMs(chat: string, now: number): number {
    return this.#rests.get(chat)?.leftMs(now) ?? 0
  }

  /** A restart must not forget it: a call within that time would make it longer. */
  rest(chat: string, ms: number, now: number): void {
    const over = [...this.#rests].flatMap(([key, rest]) => (rest.leftMs(now) === 0 ? [key] : []))
    for (const key of over) this.#rests.delete(key)
    const rest = new Rest()
    rest.begin(ms, now)
    this.#rests.set(chat, rest)
    this.#memory.remember({
      ...Object.fromEntries(over.map((key) => [`rest/${key}`, null])),
      [`rest/${chat}`]: String(now + ms),
    })
  }

  #keepMove(from: string, to: string): void {
    this.#moved.set(from, to)
    this.#original.set(to, from)
  }

  #learnTopic(fact: Extract<Fact, { kind: 'topic' }>): Record<string, string> {
    const { chat, thread, name, firstName, state } = fact
    if (thread === generalThread && chat.startsWith('-')) return {}
    const key = topicKey(chat, thread)
    const known = this.#topics.get(key)
    const named = name ?? known?.name ?? firstName
    const topic = { ...(named === undefined ? {} : { name: named }), state: state ?? known?.state ?? 'open' }
    if (known?.name === topic.name && known?.state === topic.state) return {}
    this.#topics.set(key, topic)
    return { [key]: JSON.stringify(topic) }
  }
}

function topicKey(chat: string, thread: string): string {
  return `topic/${chat}/${thread}`
}

/** What was written down here; a line that makes no sense is a topic like any other. */
function topicOf(text: string): { readonly name?: string; readonly state: TopicState } {
  try {
    const read: unknown = JSON.parse(text)
    if (typeof read !== 'object' || read === null) return { state: 'open' }
    const state =
      'state' in read && (read.state === 'closed' || read.state === 'deleted') ? read.state : 'open'
    return 'name' in read && typeof read.name === 'string' ? { name: read.name, state } : { state }
  } catch {
    return { state: 'open' }
  }
}
