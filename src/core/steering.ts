import type { Conversation } from './conversation.ts'
import type { Flow } from './flow.ts'
import type { Message } from './message.ts'
import type { Steered } from './provider.ts'

/**
 * Puts a stored message into the running turn of its conversation. It belongs to the turn before the agent has it: should
 * the turn be cut off, it is asked about with the rest. Where it is not taken, it stands as it stood.
 */
export async function steerIn(
  flow: Flow,
  conversation: Conversation,
  { seq, message }: { readonly seq: number; readonly message: Message },
): Promise<Steered> {
  const { store } = flow
  const { running } = conversation
  const before = store.inboundBySeq(seq)
  if (running === undefined || before?.inbound.kind !== 'message') return 'over'
  const { text } = before.inbound
  const joined = await flow.keep(() =>
    store.transaction(() => {
      const runs = store.runningTurns().some(({ id }) => id === running.id)
      if (!runs || store.inboundBySeq(seq)?.state !== before.state) return false
      store.setInboxState(seq, 'running', running.id)
      // Of a command, what it says: that is what would be run again.
      if (message.text !== text) store.replaceText(seq, message.text)
      return true
    }),
  )
  if (!joined) return 'over'
  let steered: Steered = 'over'
  try {
    steered = await conversation.steer(running, message)
  } finally {
    await flow.keep(() =>
      store.transaction(() => {
        if (steered === 'taken') return store.note({ seq }, 'steered', `into the running turn ${running.id}`)
        if (running.stopped) {
          store.setInboxState(seq, 'cancelled')
          return store.note({ seq }, 'cancelled', 'by a command')
        }
        store.setInboxState(seq, before.state)
        if (message.text !== text) store.replaceText(seq, text)
        catchUp(flow, seq)
      }),
    )
  }
  return steered
}

/** It waits again: what its sender has changed meanwhile holds after all. */
function catchUp({ store }: Flow, seq: number): void {
  const row = store.inboundBySeq(seq)
  if (row?.inbound.kind !== 'message') return
  const { place, messageId, sender } = row.inbound
  for (const { inbound } of store.changesOf(place, messageId)) {
    if (inbound.kind === 'redaction') {
      store.setInboxState(seq, 'cancelled')
      store.note({ seq }, 'taken back while it waited')
    }
    if (inbound.kind === 'edit' && inbound.sender.id === sender.id && row.state === 'queued')
      store.replaceText(seq, inbound.text)
  }
}
