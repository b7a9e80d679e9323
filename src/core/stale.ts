import type { Flow } from './flow.ts'
import { gist } from './gist.ts'
import type { Place } from './message.ts'

/** One notice names all messages that came too late to be run unasked. */
export function askAboutStale({ store, notices }: Flow, place: Place): void {
  store.transaction(() => {
    const rows = store.inboundsIn('stale', place.key)
    if (rows.length === 0) return
    const lines = rows.map(({ inbound }) => `• ${'text' in inbound ? gist(inbound.text) : ''}`)
    const many = rows.length === 1 ? 'a message' : `${rows.length} messages`
    notices.say({
      // The same notice grows while more of the backlog comes in.
      key: `stale/${place.key}/${rows[0]?.seq}`,
      place,
      text: [`While I was away, ${many} arrived:`, ...lines].join('\n'),
      offers: [
        { label: 'Run', style: 'primary', action: { do: 'run-stale' } },
        { label: 'Drop', style: 'danger', action: { do: 'drop-stale' } },
      ],
    })
  })
}

/** The person decided about all of them. */
export function settleStale(flow: Flow, place: Place, run: boolean): void {
  const { store } = flow
  const state = run ? 'queued' : 'cancelled'
  for (const { seq, strand } of store.inboundsIn('stale', place.key)) {
    store.setInboxState(seq, state)
    store.note({ seq }, state, 'by choice')
    flow.wakeSoon(place, strand)
  }
}
