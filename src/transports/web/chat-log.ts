import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Content, Memory } from '../../core/transport.ts'
import type { ShownFile } from './kept-files.ts'

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
  /** Under which it was posted. */
  key: z.string().exactOptional(),
  content: z.record(z.string(), z.unknown()),
})
export type ChatMessage = z.infer<typeof message>

const conversation = z.object({
  id: z.string(),
  title: z.string(),
  /** When it was last spoken in, in milliseconds since 1970. */
  at: z.number(),
})
export type ChatConversation = z.infer<typeof conversation>

/** Messages in their order; `more`: there are earlier ones. */
export interface ChatPage {
  readonly messages: readonly ChatMessage[]
  readonly more: boolean
}

type Entries = Readonly<Record<string, string | null>>

/** How long a change of a message that still grows may stay unwritten. */
const writeEveryMs = 1000
const longestTitle = 60
/** Digits of a message's number within its key. */
const digits = 12

/** What this chat network knows: every conversation and every message, kept in the transport's memory. */
export class ChatLog {
  readonly #memory: Memory
  /** Messages that were changed since they were last written. */
  readonly #unwritten = new Map<string, ChatMessage>()
  readonly #writtenAt = new Map<string, number>()
  #seq: number

  constructor(memory: Memory) {
    this.#memory = memory
    // What two were writing at once may have been written in either order: begin well above.
    const written = Number(memory.recall('seq') ?? '0')
    this.#seq = written === 0 ? 0 : Math.ceil(written / 100 + 1) * 100
  }

  /** The one that was spoken in last comes first. */
  conversations(): readonly ChatConversation[] {
    return this.#memory
      .list('conversation:')
      .map(([, value]) => conversation.parse(JSON.parse(value)))
      .toSorted((a, b) => b.at - a.at)
  }

  /** The last `count` messages of a conversation, or those before the message `before`. */
  page(id: string, { before = this.#seq + 1, count = 100 }: { before?: number; count?: number }): ChatPage {
    const messages: ChatMessage[] = []
    // By hundreds from the end: a long history is not read to show its last page.
    for (let hundred = Math.floor((before - 1) / 100); hundred >= 0; hundred -= 1) {
      const prefix = `message:${id}:${String(hundred).padStart(digits - 2, '0')}`
      const found = this.#memory.list(prefix).map(([, value]) => this.#latest(value))
      messages.unshift(...found.filter(({ seq }) => seq < before))
      if (messages.length > count) break
    }
    return { messages: messages.slice(-count), more: messages.length > count }
  }

  /** What has to be remembered when a person says something, and the message that it makes. */
  said(
    id: string,
    conversationId: string,
    { text, files }: { readonly text: string; readonly files: readonly ShownFile[] },
    at: number,
  ): { readonly message: ChatMessage; readonly entries: Entries } {
    const title = text.trim() === '' ? (files[0]?.name ?? '') : text
    // Taken now: it may wait for the disk, and nothing else may have this number meanwhile.
    this.#seq += 1
    const seq = this.#seq
    const content = { text, ...(files.length === 0 ? {} : { files }) }
    const said = {
      ref: id,
      conversation: conversationId,
      seq,
      version: 0,
      from: 'person' as const,
      at,
      content,
    }
    return {
      message: said,
      entries: {
        seq: String(seq),
        ...rowsOf(said),
        [`said:${id}`]: '1',
        ...this.#spokenIn(conversationId, title, at),
      },
    }
  }

  wasSaid(id: string): boolean {
    return this.#memory.recall(`said:${id}`) !== undefined
  }

  /** The message that was posted under this key. */
  posted(key: string): ChatMessage | undefined {
    const ref = this.#memory.recall(`post:${key}`)
    return ref === undefined ? undefined : this.find(ref)
  }

  post(key: string, conversationId: string, content: Content, at: number): ChatMessage {
    const ref = randomBytes(9).toString('base64url')
    const seq = this.#seq + 1
    const from = 'bot' as const
    const posted = {
      ref,
      conversation: conversationId,
      seq,
      version: 0,
      from,
      at,
      key,
      content: { ...content },
    }
    // A conversation that nobody began: something of ductor's own, or one that was removed meanwhile.
    const known = this.#memory.recall(`conversation:${conversationId}`) !== undefined
    this.#memory.remember({
      seq: String(seq),
      ...rowsOf(posted),
      [`post:${key}`]: ref,
      ...(known ? {} : this.#spokenIn(conversationId, 'ductor', at)),
    })
    this.#seq = seq
    return posted
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
    this.#memory.remember(this.#goneRows(gone))
    return gone
  }

  find(ref: string): ChatMessage | undefined {
    const unwritten = this.#unwritten.get(ref)
    if (unwritten !== undefined) return unwritten
    const key = this.#memory.recall(`at:${ref}`)
    const value = key === undefined ? undefined : this.#memory.recall(key)
    return value === undefined ? undefined : message.parse(JSON.parse(value))
  }

  /** False: there is no such conversation. */
  rename(id: string, title: string): boolean {
    const known = this.#conversation(id)
    if (known === undefined) return false
    this.#memory.remember({ [`conversation:${id}`]: JSON.stringify({ ...known, title: titleOf(title) }) })
    return true
  }

  /** Removes a conversation and all that was said in it. Gives the messages. */
  forget(id: string): readonly ChatMessage[] {
    const messages = this.#memory.list(`message:${id}:`).map(([, value]) => this.#latest(value))
    const rows = messages.map((one) => this.#lostRows(one))
    this.#memory.remember(Object.assign({ [`conversation:${id}`]: null }, ...rows))
    return messages
  }

  /** Removes what was said before `before` (milliseconds since 1970), and conversations that are empty then. */
  prune(before: number): readonly ChatMessage[] {
    return this.conversations().flatMap((one) => {
      const messages = this.#memory.list(`message:${one.id}:`).map(([, value]) => this.#latest(value))
      const gone = messages.filter(({ at }) => at < before)
      if (gone.length === messages.length && one.at < before) return this.forget(one.id)
      this.#memory.remember(Object.assign({}, ...gone.map((old) => this.#lostRows(old))))
      return gone
    })
  }

  #conversation(id: string): ChatConversation | undefined {
    const known = this.#memory.recall(`conversation:${id}`)
    return known === undefined ? undefined : conversation.parse(JSON.parse(known))
  }

  /** It was just spoken in; its first words are its title. */
  #spokenIn(id: string, words: string, at: number): Entries {
    const title = this.#conversation(id)?.title ?? titleOf(words)
    return { [`conversation:${id}`]: JSON.stringify({ id, title, at }) }
  }

  #latest(value: string): ChatMessage {
    const written = message.parse(JSON.parse(value))
    return this.#unwritten.get(written.ref) ?? written
  }

  #write(changed: ChatMessage, now: number): void {
    this.#memory.remember(rowsOf(changed))
    this.#unwritten.delete(changed.ref)
    if (changed.content['state'] === 'ended') this.#writtenAt.delete(changed.ref)
    else this.#writtenAt.set(changed.ref, now)
  }

  /** Also that it was said: nobody sends it again. */
  #lostRows(gone: ChatMessage): Entries {
    return { ...this.#goneRows(gone), [`said:${gone.ref}`]: null }
  }

  #goneRows(gone: ChatMessage): Entries {
    this.#unwritten.delete(gone.ref)
    this.#writtenAt.delete(gone.ref)
    return {
      [keyOf(gone)]: null,
      [`at:${gone.ref}`]: null,
      ...(gone.key === undefined ? {} : { [`post:${gone.key}`]: null }),
    }
  }
}

function keyOf({ conversation: id, seq }: ChatMessage): string {
  return `message:${id}:${String(seq).padStart(digits, '0')}`
}

function rowsOf(written: ChatMessage): Entries {
  return { [keyOf(written)]: JSON.stringify(written), [`at:${written.ref}`]: keyOf(written) }
}

function titleOf(text: string): string {
  const line = text.trim().split('\n')[0] ?? ''
  return line.length <= longestTitle ? line : `${line.slice(0, longestTitle - 1)}…`
}
