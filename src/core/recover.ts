import { askKey } from './asks.ts'
import type { Flow } from './flow.ts'
import { gist } from './gist.ts'
import type { Place } from './message.ts'
import { turnKey } from './running-turn.ts'
import { askAboutStale } from './stale.ts'
import type { TurnRow } from './store.ts'

/**
 * After a start, within one transaction: a turn that ran when the process ended is never run again by itself. Its chat
 * is asked. What waited too long is held back and named.
 */
export function recover(flow: Flow): void {
  const { store, agent } = flow
  const { backlogMaxAgeMs } = agent.settings()
  for (const turn of store.runningTurns()) askAbout(flow, turn)
  const late = store
    .inboundsIn('queued')
    .filter(({ inbound }) => flow.now() - inbound.sentAt > backlogMaxAgeMs && canAsk(flow, inbound.place))
  for (const { seq } of late) {
    store.setInboxState(seq, 'stale')
    store.note({ seq }, 'held back', 'older than backlog_max_age_minutes')
  }
  for (const place of new Map(late.map(({ inbound }) => [inbound.place.key, inbound.place])).values()) {
    askAboutStale(flow, place)
  }
}

/** Where another agent has asked, nobody is there who could decide. */
function canAsk({ transports }: Flow, { transport }: Place): boolean {
  return transports.get(transport)?.asksNobody !== true
}

function askAbout(flow: Flow, { id, place }: TurnRow): void {
  const { store, notices } = flow
  store.endTurn(id, 'interrupted')
  store.note({ turn: id }, 'cut off', 'ductor ended while the turn ran')
  const rows = store.inboundsOfTurn(id)
  for (const { seq } of rows) store.setInboxState(seq, 'asked')
  // What was shown of it stays as it is; only its choices are void now.
  if (store.publication(turnKey(id))?.state === 'live') store.setPublicationState(turnKey(id), 'settled')
  for (const { key, view, state } of store.publicationsOfTurn(id)) {
    if (state !== 'dead' && key.startsWith(askKey(id, '')) && view.choices.length > 0)
      notices.close(key, 'void: ductor was restarted')
  }
  // Nobody asked for it: there is nothing to run again.
  if (rows.length === 0) return
  const first = rows[0]?.inbound
  const what = first !== undefined && 'text' in first ? `: “${gist(first.text)}”` : '.'
  const cutOff = `I was restarted in the middle of a turn${what}\nIt was not run again.`
  if (!canAsk(flow, place)) {
    const replyTo = first?.kind === 'message' ? { replyTo: first.messageId } : {}
    return notices.say({ key: `cut-off/${id}`, place, turn: id, text: cutOff, last: true, ...replyTo })
  }
  notices.say({
    key: `cut-off/${id}`,
    place,
    turn: id,
    text: `${cutOff} What shall I do?`,
    offers: [
      { label: 'Continue', style: 'primary', action: { do: 'continue', turn: id } },
      { label: 'Run again', action: { do: 'again', turn: id } },
      { label: 'Drop', style: 'danger', action: { do: 'drop', turn: id } },
    ],
  })
}
