import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Content, Memory } from '../../core/transport.ts'

const message = z.object({
  ref: z.string(),
  conversation: z.string(),
  /** The order within everything that was ever said. */
  seq: z.number(),
  /** Counts the changes: a page that has seen a newer one ignores an older one. */
  version: z.number(),
  from: z.enum(['person', 'bot']),
  /** Milliseconds since 1970. */
  at: z.number(),
  content: z.record(z.string(), z.unknown()),
})

export type ChatMessage = z.infer<typeof message>

const conversation = z.object({ id: z.string(), title: z.string(), at: z.number() })

export type ChatConversation = z.infer<typeof conversation>

type Entries = Record<string, string | null>

/** How long a change of a message that still grows may stay unwritten. */
const writeEveryMs = 1000

/** What this chat network knows: every conversation and every message, kept in the transport's memory. */
export class ChatLog {
  readonly #memory: Memory
  /** Messages that were changed since they were last written. */
  readonly #unwritten = new Map<string, ChatMessage>()
  readonly #writtenAt = new Map<string, number>()

  constructor(memory: Memory) {
    this.#memory = memory
  }

  conversations(): ChatConversation[] {
    return this.#memory
      .list('conversation:')
      .map(([, value]) => conversation.parse(JSON.parse(value)))
      .toSorted((a, b) => b.at - a.at)
  }

  messages(id: string): ChatMessage[] {
    return this.#memory.list(`message:${id}:`).map(([, value]) => {
      const written = message.parse(JSON.parse(value))
      return this.#unwritten.get(written.ref) ?? written
    })
  }

  /** What has to be remembered when a person says something, and the message that it makes. */
  said(
    id: string,
    conversationId: string,
    text: string,
    at: number,
  ): { message: ChatMessage; entries: Entries } {
    const known = this.#memory.recall(`conversation:${conversationId}`)
    const title = known === undefined ? titleOf(text) : conversation.parse(JSON.parse(known)).title
    const { seq, entries } = this.#next()
    const said: ChatMessage = {
      ref: id,
      conversation: conversationId,
      seq,
      version: 0,
      from: 'person',
      at,
      content: { text },
    }
    return {
      message: said,
      entries: {
        ...entries,
        ...place(said),
        [`said:${id}`]: '1',
        [`conversation:${conversationId}`]: JSON.stringify({ id: conversationId, title, at }),
      },
    }
  }

  wasSaid(id: string): boolean {
    return this.#memory.recall(`said:${id}`) !== undefined
  }

  /** The message that was posted under this key; made now if there is none. */
  post(
    key: string,
    conversationId: string,
    content: Content,
    at: number,
  ): { message: ChatMessage; fresh: boolean } {
    const known = this.#memory.recall(`post:${key}`)
    const before = known === undefined ? undefined : this.find(known)
    if (before !== undefined) return { message: before, fresh: false }
    const ref = randomBytes(9).toString('base64url')
    const { seq, entries } = this.#next()
    const posted: ChatMessage = {
      ref,
      conversation: conversationId,
      seq,
      version: 0,
      from: 'bot',
      at,
      content: { ...content },
    }
    this.#memory.remember({ ...entries, ...place(posted), [`post:${key}`]: ref })
    return { message: posted, fresh: true }
  }

  /** Undefined: there is no such message any more. */
  change(ref: string, content: Content, now: number): ChatMessage | undefined {
    const before = this.find(ref)
    if (before === undefined) return undefined
    const changed: ChatMessage = { ...before, version: before.version + 1, content: { ...content } }
    const due = now - (this.#writtenAt.get(ref) ?? 0) >= writeEveryMs
    if (content['state'] === 'ended' || due) this.#write(changed, now)
    else this.#unwritten.set(ref, changed)
    return changed
  }

  remove(ref: string): ChatMessage | undefined {
    const gone = this.find(ref)
    if (gone === undefined) return undefined
    this.#unwritten.delete(ref)
    this.#writtenAt.delete(ref)
    this.#memory.remember({ [keyOf(gone)]: null, [`at:${ref}`]: null })
    return gone
  }

  find(ref: string): ChatMessage | undefined {
    const unwritten = this.#unwritten.get(ref)
    if (unwritten !== undefined) return unwritten
    const key = this.#memory.recall(`at:${ref}`)
    const value = key === undefined ? undefined : this.#memory.recall(key)
    return value === undefined ? undefined : message.parse(JSON.parse(value))
  }

  #write(changed: ChatMessage, now: number): void {
    this.#memory.remember(place(changed))
    this.#unwritten.delete(changed.ref)
    if (changed.content['state'] === 'ended') this.#writtenAt.delete(changed.ref)
    else this.#writtenAt.set(changed.ref, now)
  }

  #next(): { seq: number; entries: Entries } {
    const seq = Number(this.#memory.recall('seq') ?? '0') + 1
    return { seq, entries: { seq: String(seq) } }
  }
}

function keyOf({ conversation: id, seq }: ChatMessage): string {
  return `message:${id}:${String(seq).padStart(12, '0')}`
}

function place(placed: ChatMessage): Entries {
  return { [keyOf(placed)]: JSON.stringify(placed), [`at:${placed.ref}`]: keyOf(placed) }
}

function titleOf(text: string): string {
  const line = text.trim().split('\n')[0] ?? ''
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`
}
