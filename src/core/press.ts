import { queueKey } from './conversation.ts'
import type { Flow } from './flow.ts'
import type { Inbound, Message, Place, Press } from './message.ts'
import { PlaceControl } from './place-control.ts'
import { together } from './prompt.ts'
import type { RunningTurn } from './running-turn.ts'
import { settleStale } from './stale.ts'
import type { Action, StoredChoice } from './store.ts'
import { modelOffers } from './model-offers.ts'

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
  const { store, notices } = flow
  if (flow.now() - choice.madeAt > pressedForMs) {
    await flow.keep(() => notices.close(choice.publication, 'expired'))
    return 'That choice has expired.'
  }
  const first = await flow.keep(() => store.transaction(() => spend(flow, choice)))
  if (first !== undefined) return first
  return afterwards(flow, inbound, choice)
}

/**
 * Spends the choice, and does at once what is only a matter of the store. Gives what to say; undefined: the rest is to
 * be done when it is certain that nobody else spends it.
 */
function spend(flow: Flow, choice: StoredChoice): string | undefined {
  const { store, notices } = flow
  if (store.choice(choice.token)?.spent !== false) return 'That was answered already.'
  store.spendChoices(choice.publication)
  const outcome = act(flow, choice)
  if (outcome === undefined) return undefined
  // A cancelled message's notice goes with it; the others show what was chosen.
  if (choice.action.do !== 'cancel') notices.close(choice.publication, outcome)
  return outcome
}

/** What is a matter of the store alone. Within the transaction that spends the choice. */
function act(flow: Flow, { action, label, publication, place: placeKey }: StoredChoice): string | undefined {
  const { store } = flow
  switch (action.do) {
    case 'cancel':
      return cancel(flow, action.seq)
    case 'drop':
      for (const { seq } of store.inboundsOfTurn(action.turn)) store.setInboxState(seq, 'cancelled')
      return label
    case 'again':
    case 'continue':
      return again(flow, action)
    case 'run-stale':
    case 'drop-stale': {
      const place = store.publication(publication)?.place
      if (place?.key === placeKey) settleStale(flow, place, action.do === 'run-stale')
      return label
    }
    case 'steer':
    case 'prompt':
    case 'model':
    case 'models':
    case 'resume':
    case 'end-strand':
    case 'permit':
    case 'deny-why':
    case 'answer':
      return undefined
  }
}

const nobodyWaits = 'Nobody waits for that answer any more.'

/** What reaches beyond the store, once the choice is spent. Gives what to say of it. */
async function afterwards(flow: Flow, inbound: Inbound, choice: StoredChoice): Promise<string> {
  const { action, label, publication } = choice
  const { place, sender } = inbound
  const close = (outcome: string) => flow.keep(() => flow.notices.close(publication, outcome))
  switch (action.do) {
    case 'permit': {
      const { turn, request, allow, remember } = action
      const heard = runningTurn(flow, place, turn)?.asks.answer(request, { allow, remember }) ?? false
      const outcome = heard ? label : nobodyWaits
      await close(outcome)
      return outcome
    }
    case 'deny-why': {
      const heard = runningTurn(flow, place, action.turn)?.asks.expectReason(action.request, sender.id)
      const outcome = heard === true ? 'Write the reason as your next message.' : nobodyWaits
      await close(outcome)
      return outcome
    }
    case 'answer': {
      const { turn, question, option } = action
      const asks = runningTurn(flow, place, turn)?.asks
      const outcome = await asks?.choose(question, option, sender.id)
      if (outcome !== undefined && option !== 'words') return outcome
      await close(outcome ?? nobodyWaits)
      return outcome ?? nobodyWaits
    }
    case 'prompt':
      await flow.keep(() =>
        flow.store.transaction(() => {
          flow.enqueue(spoken(inbound, action.text, `button/${choice.token}`), action.strand)
          flow.notices.close(publication, label)
        }),
      )
      return label
    case 'steer': {
      const outcome = await steer(flow, action.seq)
      await close(outcome)
      return outcome
    }
    default:
      return choose(flow, inbound, choice, close)
  }
}

/** Menus of our own. */
async function choose(
  flow: Flow,
  { place }: Inbound,
  { action, label, publication }: StoredChoice,
  close: (outcome: string) => Promise<void>,
): Promise<string> {
  const control = (strand: string) => new PlaceControl(flow, place, strand)
  switch (action.do) {
    case 'model': {
      const { strand, provider, model, effort } = action
      await control(strand).choose({
        provider,
        ...(model === undefined ? {} : { model }),
        ...(effort === undefined ? {} : { effort }),
      })
      await close(label)
      return label
    }
    case 'models': {
      const { strand, provider } = action
      const { text, offers = [] } = await modelOffers(control(strand), provider)
      await flow.keep(() => flow.notices.say({ key: publication, place, text, offers }))
      return label
    }
    case 'resume':
      await control(action.strand).choose({ provider: action.provider })
      await control(action.strand).resume(action.session)
      await close(`Your next message goes on with: ${label}`)
      return 'Resumed'
    case 'end-strand': {
      const outcome = (await control('').endStrand(action.strand)) ? `@${action.strand} has ended` : 'It is gone.'
      await close(outcome)
      return outcome
    }
    default:
      return nobodyWaits
  }
}

function runningTurn(flow: Flow, place: Place, turn: string): RunningTurn | undefined {
  return flow.conversations(place).find(({ running }) => running?.id === turn)?.running
}

/** What waits goes into the running turn, where the provider can do that. */
async function steer(flow: Flow, seq: number): Promise<string> {
  const { store } = flow
  const row = store.inboundBySeq(seq)
  if (row?.state !== 'queued' || row.inbound.kind !== 'message') return 'It runs already.'
  const conversation = flow.conversation(row.inbound.place, row.strand)
  const { running } = conversation
  // First out of the queue, or it would run a second time when the turn ends just now.
  const taken = running === undefined ? 'over' : await steerRow(flow, seq, running)
  if (taken === 'taken') return 'It went into the running turn'
  if (taken === 'unsupported')
    return `${conversation.choices.providerName} takes no message into a running turn: it waits`
  return 'The turn has ended: it is run now'
}

async function steerRow(flow: Flow, seq: number, running: RunningTurn) {
  const { store } = flow
  await flow.keep(() => store.setInboxState(seq, 'running', running.id))
  const row = store.inboundBySeq(seq)
  const conversation = row === undefined ? undefined : flow.conversation(row.inbound.place, row.strand)
  const taken =
    row?.inbound.kind === 'message' && conversation?.running === running
      ? await conversation.steer(row.inbound)
      : 'over'
  await flow.keep(() =>
    store.transaction(() => {
      if (taken === 'taken') return store.note({ seq }, 'steered', `into the running turn ${running.id}`)
      store.setInboxState(seq, 'queued')
    }),
  )
  if (taken !== 'taken') conversation?.wake()
  return taken
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

function again(flow: Flow, { do: how, turn }: Extract<Action, { readonly turn: string; do: 'continue' | 'again' | 'drop' }>): string {
  const { store } = flow
  const rows = store.inboundsOfTurn(turn)
  const message = together(rows.flatMap(({ inbound }) => (inbound.kind === 'message' ? [inbound] : [])))
  const row = store.turn(turn)
  if (message === undefined || row === undefined) return 'The message is not there any more.'
  const resumable = how === 'continue' && store.session(row.place.key, row.strand, row.provider) !== undefined
  const { partial: _, ...whole } = message
  const next: Message = { ...whole, id: `${how}/${turn}`, sentAt: flow.now() }
  const { attachments: _files, replyTo: _answered, ...words } = next
  flow.enqueue(resumable ? { ...words, text: continuePrompt } : next, row.strand)
  if (how === 'again') return 'Run again'
  return resumable ? 'Continue' : 'No session had begun yet: run from the start'
}

/** A message of the one who pressed, as if it had been written. */
function spoken({ place, sender, group, sentAt }: Inbound, text: string, id: string): Message {
  return { kind: 'message', id, messageId: id, place, sender, group, sentAt, addressed: true, text }
}

