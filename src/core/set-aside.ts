import type { Notices } from './notices.ts'
import type { InboxRow, Store } from './store.ts'

/** What ductor itself cannot carry out is a dead letter: it is not tried again, and its chat is told. Within a transaction. */
export function setAside(
  rows: readonly [InboxRow, ...InboxRow[]],
  { why, words }: { /** For the trace. */ readonly why: string; readonly words: string },
  { store, notices }: { readonly store: Store; readonly notices: Notices },
): void {
  for (const { seq } of rows) {
    store.setInboxState(seq, 'dead')
    store.note({ seq }, 'set aside', why)
  }
  const [{ seq, inbound }] = rows
  notices.say({
    key: `dead/${seq}`,
    place: inbound.place,
    text: words,
    last: true,
    ...(inbound.kind === 'message' ? { replyTo: inbound.messageId } : {}),
  })
}
