import type { Action } from './action.ts'
import { filePart } from './answer.ts'
import { browse } from './browse.ts'
import type { Flow } from './flow.ts'
import type { Inbound, Message, Place } from './message.ts'
import { modelOffers } from './model-offers.ts'
import { PlaceControl } from './place-control.ts'
import type { RunningTurn } from './running-turn.ts'
import { steerIn } from './steering.ts'
import type { StoredChoice } from './store.ts'

/** What reaches beyond the store: a running turn, a provider, a menu. */
type LaterAction = Exclude<
  Action,
  { readonly do: 'cancel' | 'continue' | 'again' | 'drop' | 'run-stale' | 'drop-stale' }
>

type MenuAction = Extract<
  LaterAction,
  { readonly do: 'model' | 'models' | 'resume' | 'end-strand' | 'browse' | 'send-file' }
>

interface Pressed {
  readonly flow: Flow
  readonly inbound: Inbound
  readonly choice: StoredChoice
  /** Shows in the chat what became of the choice. */
  readonly close: (outcome: string) => Promise<void>
}

const nobodyWaits = 'Nobody waits for that answer any more.'

/** Does what the choice says, now that it is spent. Gives what to say of it. */
export async function carryOn(
  flow: Flow,
  inbound: Inbound,
  choice: StoredChoice,
  action: LaterAction,
): Promise<string> {
  const close = (outcome: string) => flow.keep(() => flow.notices.close(choice.publication, outcome))
  const pressed: Pressed = { flow, inbound, choice, close }
  switch (action.do) {
    case 'permit':
    case 'deny-why':
    case 'answer':
      return answer(pressed, action)
    case 'prompt':
      await flow.keep(() =>
        flow.store.transaction(() => {
          flow.enqueue(spoken(inbound, action.text, `button/${choice.token}`), action.strand)
          flow.notices.close(choice.publication, choice.label)
        }),
      )
      return choice.label
    case 'steer': {
      const outcome = await steer(flow, action.seq)
      await close(outcome)
      return outcome
    }
    case 'command': {
      const prefix = flow.transports.get(inbound.place.transport)?.commandPrefixes[0] ?? '/'
      // In this order: after a crash between the two it is heard once all the same, by its id.
      await flow.hear(spoken(inbound, `${prefix}${action.name}`, `button/${choice.token}`))
      await close(choice.label)
      return choice.label
    }
    case 'model':
    case 'models':
    case 'resume':
    case 'end-strand':
    case 'browse':
    case 'send-file':
      return choose(pressed, action)
  }
}

/** Somebody decided about what a running turn asks. */
async function answer(
  { flow, inbound, choice, close }: Pressed,
  action: Extract<LaterAction, { readonly do: 'permit' | 'deny-why' | 'answer' }>,
): Promise<string> {
  const asks = runningTurn(flow, inbound.place, action.turn)?.asks
  const { id: sender } = inbound.sender
  switch (action.do) {
    case 'permit': {
      const { request, allow, remember } = action
      const heard = (await asks?.answer(request, { allow, remember })) === true
      const outcome = heard ? choice.label : nobodyWaits
      await close(outcome)
      return outcome
    }
    case 'deny-why': {
      const heard = asks?.expectReason(action.request, sender) === true
      const outcome = heard ? 'Write the reason as your next message.' : nobodyWaits
      await close(outcome)
      return outcome
    }
    case 'answer': {
      const outcome = await asks?.choose(action.question, action.option, sender)
      // The question itself shows what was chosen, unless words are to follow.
      if (outcome === undefined || action.option === 'words') await close(outcome ?? nobodyWaits)
      return outcome ?? nobodyWaits
    }
  }
}

/** Menus of our own. */
async function choose(
  { flow, inbound: { place }, choice: { token, label, publication }, close }: Pressed,
  action: MenuAction,
): Promise<string> {
  const control = new PlaceControl(flow, place, 'strand' in action ? action.strand : '')
  switch (action.do) {
    case 'model': {
      const { provider, model, effort } = action
      await control.choose({
        provider,
        ...(model === undefined ? {} : { model }),
        ...(effort === undefined ? {} : { effort }),
      })
      await close(label)
      return label
    }
    case 'models': {
      const { text, offers = [] } = await modelOffers(control, action.provider)
      await flow.keep(() => flow.notices.say({ key: publication, place, text, offers }))
      return label
    }
    case 'resume':
      await control.choose({ provider: action.provider })
      await control.resume(action.session)
      await close(`Your next message goes on with: ${label}`)
      return 'Resumed'
    case 'end-strand': {
      const ended = await control.endStrand(action.strand)
      const outcome = ended ? `@${action.strand} has ended` : 'It is gone.'
      await close(outcome)
      return outcome
    }
    case 'browse': {
      const { text, offers = [] } = await browse(flow.agent, action.path, action.from)
      await flow.keep(() => flow.notices.say({ key: publication, place, text, offers }))
      return label
    }
    case 'send-file': {
      const { agent } = flow
      const rule = { access: agent.settings().fileAccess, workspace: agent.workspace }
      const part = await filePart(action.path, rule)
      await flow.keep(() => flow.notices.show(`file/${token}`, place, [part]))
      await close(label)
      return label
    }
  }
}

function runningTurn(flow: Flow, place: Place, turn: string): RunningTurn | undefined {
  return flow.conversations(place).find(({ running }) => running?.id === turn)?.running
}

/** What waits goes into the running turn, where the provider can do that. */
async function steer(flow: Flow, seq: number): Promise<string> {
  const row = flow.store.inboundBySeq(seq)
  if (row?.state !== 'queued' || row.inbound.kind !== 'message') return 'It runs already.'
  const conversation = flow.conversation(row.inbound.place, row.strand)
  const taken = await steerIn(flow, conversation, { seq, message: row.inbound })
  if (taken === 'taken') return 'It went into the running turn'
  if (flow.store.inboundBySeq(seq)?.state === 'cancelled') return 'Cancelled'
  conversation.wake()
  return taken === 'over'
    ? 'The turn has ended: it is run now'
    : `${conversation.chosen.providerName} takes no message into a running turn: it waits`
}

/** A message of the one who pressed, as if it had been written. */
function spoken({ place, sender, group, sentAt }: Inbound, text: string, id: string): Message {
  return { kind: 'message', id, messageId: id, place, sender, group, sentAt, addressed: true, text }
}
