import { queueKey } from './conversation.ts'
import type { Flow } from './flow.ts'
import type { Inbound, Message, Press } from './message.ts'
import { settleStale } from './stale.ts'
import type { StoredChoice } from './store.ts'

/** A typed number or label means a choice only while the question is fresh: a plain “3” tomorrow is a prompt. */
const typedForMs = 30 * 60_000
/** A choice that nobody made for a day is void. */
const pressedForMs = 24 * 3600_000

const continuePrompt =
  'You were interrupted by a restart in the middle of your last turn. Look at what is already done, then continue where you stopped.'

/** What has to be done if this event presses a choice; undefined if it does not. */
export function pressed(flow: Flow, inbound: Inbound): (() => Promise<void>) | undefined {
  if (inbound.kind === 'press') return () => press(flow, inbound, find(flow, inbound))
  if (inbound.kind !== 'message') return undefined
  const choice = typed(flow, inbound)
  return choice === undefined ? undefined : () => press(flow, inbound, choice)
}

function find({ store }: Flow, { place, pressed: what }: Press): StoredChoice | undefined {
  if ('token' in what) {
    const choice = store.choice(what.token)
    return choice?.place === place.key ? choice : undefined
  }
  return store.choicesOfMessage(place.key, what.messageId)[what.number - 1]
}

function typed(flow: Flow, { place, text }: Message): StoredChoice | undefined {
  const wanted = text.trim().toLowerCase()
  if (wanted.length > 64) return undefined
  const choices = flow.store.newestChoices(place.key)
  const choice = /^\d{1,2}$/.test(wanted)
    ? choices[Number(wanted) - 1]
    : choices.find(({ label }) => label.toLowerCase() === wanted)
  return choice !== undefined && flow.now() - choice.madeAt < typedForMs ? choice : undefined
}

async function press(flow: Flow, inbound: Inbound, choice: StoredChoice | undefined): Promise<void> {
  const outcome = choice === undefined ? 'That choice is gone.' : await use(flow, inbound, choice)
  if (inbound.kind !== 'press') return
  const transport = flow.transports.get(inbound.place.transport)
  await transport?.answerPress?.(inbound, outcome).catch(() => {
    // Too late for the network: the chat itself shows what became of the choice.
  })
}

/** Does what the choice says, once. Gives what to tell the one who pressed. */
async function use(flow: Flow, inbound: Inbound, choice: StoredChoice): Promise<string> {
  if (flow.now() - choice.madeAt > pressedForMs) return 'That choice has expired.'
  return flow.keep(() =>
    flow.store.transaction(() => {
      if (flow.store.choice(choice.token)?.spent !== false) return 'That was answered already.'
      const outcome = act(flow, inbound, choice)
      const { action } = choice
      // A cancelled message's notice goes with it; the others show what was chosen.
      if (action.do !== 'cancel') flow.notices.close(choice.publication, outcome)
      return outcome
    }),
  )
}

function act(flow: Flow, inbound: Inbound, { action, label }: StoredChoice): string {
  const { store } = flow
  switch (action.do) {
    case 'cancel':
      return cancel(flow, action.seq)
    case 'drop':
      for (const { seq } of store.inboundsOfTurn(action.turn)) store.setInboxState(seq, 'cancelled')
      return label
    case 'again': {
      const message = messageOf(flow, action.turn)
      if (message === undefined) return 'The message is not there any more.'
      flow.enqueue({ ...message, id: `again/${action.turn}`, sentAt: flow.now() })
      return label
    }
    case 'continue': {
      const message = messageOf(flow, action.turn)
      if (message === undefined) return 'The message is not there any more.'
      const resumable = store.session(message.place.key, flow.providerName) !== undefined
      const text = resumable ? continuePrompt : message.text
      flow.enqueue({ ...message, id: `continue/${action.turn}`, text, sentAt: flow.now() })
      return resumable ? label : 'No session had begun yet: run from the start'
    }
    case 'run-stale':
    case 'drop-stale':
      settleStale(flow, inbound.place, action.do === 'run-stale')
      return label
    case 'permit': {
      const { turn, request, allow, remember } = action
      const heard = flow.permit(inbound.place, turn, request, { allow, remember })
      return heard ? label : 'Nobody waits for that answer any more.'
    }
  }
}

function cancel(flow: Flow, seq: number): string {
  const { store } = flow
  const row = store.inboundBySeq(seq)
  if (row?.state !== 'queued') return 'It runs already.'
  store.setInboxState(seq, 'cancelled')
  store.note({ seq }, 'cancelled', 'by its Cancel button')
  flow.notices.withdraw(queueKey(seq), row.inbound.place)
  return 'Cancelled'
}

function messageOf({ store }: Flow, turn: string): Message | undefined {
  const inbound = store.inboundsOfTurn(turn)[0]?.inbound
  return inbound?.kind === 'message' ? inbound : undefined
}
