import type { Action } from './action.ts'
import type { Flow } from './flow.ts'
import type { Message, Press } from './message.ts'
import { carryOn } from './press-later.ts'
import { together } from './prompt.ts'
import { queueKey } from './queue-notice.ts'
import { settleStale } from './stale.ts'
import type { StoredChoice } from './store.ts'
import { UserError } from './user-error.ts'

/** A typed number or label means a choice only while the question is fresh: a plain “3” tomorrow is a prompt. */
const typedForMs = 30 * 60_000
/** A choice that nobody made for a day is void. */
export const pressedForMs = 24 * 3600_000

const continuePrompt =
  'You were interrupted by a restart in the middle of your last turn. Look at what is already done, then continue where you stopped.'

/** Does what was pressed. */
export function pressed(flow: Flow, inbound: Press): Promise<void> {
  return press(flow, inbound, find(flow, inbound))
}

/** The press that this message is, received `at` that time; undefined if it is none. The same message, the same press. */
export function typedPress(flow: Flow, message: Message, at: number): Press | undefined {
  const choice = typed(flow, message, at)
  if (choice === undefined) return undefined
  const { id, place, sender, sentAt, group, addressed } = message
  const from = { id: `typed/${id}`, place, sender, sentAt, group, addressed }
  return { ...from, kind: 'press', pressed: { token: choice.token } }
}

function find({ store }: Flow, { place, pressed: what }: Press): StoredChoice | undefined {
  if ('token' in what) {
    const choice = store.choice(what.token)
    return choice?.place === place.key ? choice : undefined
  }
  return store.choicesOfMessage(place.key, what.messageId)[what.number - 1]
}

/** What was asked only afterwards is not meant. */
function typed(flow: Flow, { place, text }: Message, at: number): StoredChoice | undefined {
  const wanted = text.trim().toLowerCase()
  if (wanted.length > 64) return undefined
  const choices = flow.store.newestChoices(place.key, at)
  const choice = /^\d{1,2}$/.test(wanted)
    ? choices[Number(wanted) - 1]
    : choices.find(({ label }) => label.toLowerCase() === wanted)
  return choice !== undefined && flow.now() - choice.madeAt < typedForMs ? choice : undefined
}

async function press(flow: Flow, inbound: Press, choice: StoredChoice | undefined): Promise<void> {
  const outcome = choice === undefined ? 'That choice is gone.' : await use(flow, inbound, choice)
  const transport = flow.transports.get(inbound.place.transport)
  await transport?.answerPress?.(inbound, outcome).catch(() => {
    // Too late for the network: the chat itself shows what became of the choice.
  })
}

/** Does what the choice says, once. Gives what to tell the one who pressed. */
async function use(flow: Flow, inbound: Press, choice: StoredChoice): Promise<string> {
  const { store, notices } = flow
  const { action, publication } = choice
  if (flow.now() - choice.madeAt > pressedForMs) {
    await flow.keep(() => notices.close(publication, 'expired'))
    return 'That choice has expired.'
  }
  const outcome = await flow.keep(() =>
    store.transaction(() => {
      if (store.choice(choice.token)?.spent !== false && !isOpen(flow, choice))
        return 'That was answered already.'
      store.spendChoices(publication)
      if (!isForTheStore(action)) return undefined
      const done = act(flow, action, choice)
      // A cancelled message's notice goes with it; the others show what was chosen.
      if (action.do !== 'cancel') notices.close(publication, done)
      return done
    }),
  )
  if (outcome !== undefined || isForTheStore(action)) return outcome ?? choice.label
  try {
    return await carryOn(flow, inbound, choice, action)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    await flow.keep(() => notices.close(publication, error.message))
    return error.message
  }
}

/** Is it shown still? Then ductor ended between the press and what the choice does, and the press comes again. */
function isOpen({ store }: Flow, { publication, token }: StoredChoice): boolean {
  return store.publication(publication)?.view.choices.some((choice) => choice.token === token) === true
}

function isForTheStore(action: Action): action is StoreAction {
  switch (action.do) {
    case 'cancel':
    case 'drop':
    case 'again':
    case 'continue':
    case 'run-stale':
    case 'drop-stale':
      return true
    case 'steer':
    case 'prompt':
    case 'model':
    case 'models':
    case 'resume':
    case 'end-strand':
    case 'command':
    case 'browse':
    case 'send-file':
    case 'permit':
    case 'deny-why':
    case 'answer':
      return false
  }
}

type StoreAction = Extract<
  Action,
  { readonly do: 'cancel' | 'continue' | 'again' | 'drop' | 'run-stale' | 'drop-stale' }
>

/** What is a matter of the store alone, within the transaction that spends the choice. */
function act(flow: Flow, action: StoreAction, { label, publication }: StoredChoice): string {
  const { store } = flow
  switch (action.do) {
    case 'cancel':
      return cancel(flow, action.seq)
    case 'drop':
      for (const { seq } of store.inboundsOfTurn(action.turn)) {
        store.setInboxState(seq, 'cancelled')
        store.note({ seq }, 'cancelled', 'by choice')
      }
      return label
    case 'again':
    case 'continue':
      return again(flow, action)
    case 'run-stale':
    case 'drop-stale': {
      const place = store.publication(publication)?.place
      if (place !== undefined) settleStale(flow, place, action.do === 'run-stale')
      return label
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

function again(
  flow: Flow,
  { do: how, turn }: Extract<Action, { readonly turn: string; do: 'continue' | 'again' | 'drop' }>,
): string {
  const { store } = flow
  // What was taken back meanwhile is not among it.
  const rows = store.inboundsOfTurn(turn).filter(({ state }) => state !== 'cancelled')
  const message = together(rows.flatMap(({ inbound }) => (inbound.kind === 'message' ? [inbound] : [])))
  const row = store.turn(turn)
  if (message === undefined || row === undefined) return 'The message is not there any more.'
  const resumable = how === 'continue' && store.session(row.place.key, row.strand, row.provider) !== undefined
  const { partial: _, ...whole } = message
  const next: Message = { ...whole, id: `${how}/${turn}`, sentAt: flow.now() }
  const { attachments: _files, replyTo: _answered, ...words } = next
  flow.enqueue(resumable ? { ...words, text: continuePrompt } : next, row.strand)
  store.note({ turn }, how === 'again' ? 'run again' : 'continued', 'by choice')
  if (how === 'again') return 'Run again'
  return resumable ? 'Continue' : 'No session had begun yet: run from the start'
}
