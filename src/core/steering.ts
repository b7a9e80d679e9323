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
  const before = store.inboundBySeq(seq)?.state
  if (running === undefined || before === undefined) return 'over'
  const joined = await flow.keep(() =>
    store.transaction(() => {
      const runs = store.runningTurns().some(({ id }) => id === running.id)
      if (!runs || store.inboundBySeq(seq)?.state !== before) return false
      store.setInboxState(seq, 'running', running.id)
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
        if (steered === 'taken') store.note({ seq }, 'steered', `into the running turn ${running.id}`)
        else store.setInboxState(seq, before)
      }),
    )
  }
  return steered
}
