import type { Message } from './message.ts'
import type { Store } from './store.ts'

/** Which session of its place a message is meant for, and what of it is the prompt. */
export interface Routed {
  readonly strand: string
  readonly message: Message
}

/** `@name words` goes to the session of that name, a reply to the session that it answers, all else to the main one. */
export function route(store: Store, message: Message): Routed {
  const { place, text, replyTo } = message
  const [, name = '', rest = ''] = /^@([\w-]{1,40})\s+([\s\S]+)$/.exec(text.trim()) ?? []
  const called = name.toLowerCase()
  if (called !== '' && store.strand(place.key, called) !== undefined) {
    return { strand: called, message: { ...message, text: rest } }
  }
  const answered = replyTo === undefined ? undefined : strandOfPost(store, place.key, replyTo.messageId)
  return { strand: answered ?? '', message }
}

function strandOfPost(store: Store, place: string, ref: string): string | undefined {
  const turn = store.publicationOfPost(place, ref)?.turn
  const strand = turn === undefined ? undefined : store.turn(turn)?.strand
  // One that was ended since is not brought back by an answer to it.
  return strand === undefined || strand === '' || store.strand(place, strand) === undefined
    ? undefined
    : strand
}
