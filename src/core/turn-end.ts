import type { Agent } from './agent.ts'
import { answerOf, footerOf } from './answer.ts'
import type { Chosen } from './chosen.ts'
import type { Log } from './define.ts'
import type { Place } from './message.ts'
import type { Notices } from './notices.ts'
import { turnKey, type RunningTurn } from './running-turn.ts'
import type { Store } from './store.ts'
import type { Part, View } from './view.ts'

export interface TurnEndDeps {
  readonly place: Place
  readonly chosen: Chosen
  readonly agent: Agent
  readonly store: Store
  readonly notices: Notices
  readonly log: Log
  readonly now: () => number
  /** Writes until the disk takes it. */
  readonly keep: <T>(write: () => T) => Promise<T>
}

/**
 * Stores how a turn ended and shows its last word: the answer, its files and buttons, what it used. Where ductor itself
 * fails at that, the words alone: no turn may stay as if it ran.
 */
export async function endTurn(running: RunningTurn, ended: View, deps: TurnEndDeps): Promise<void> {
  try {
    await storeEnd(running, ended, deps)
  } catch (error) {
    deps.log.error({ err: error, turn: running.id, place: deps.place.key }, 'a turn could not be ended')
    const words = ended.parts.filter(({ kind }) => kind === 'text')
    const wrong = 'ductor itself failed at the end of this turn; the log says more.'
    const parts: Part[] = [...words, { kind: 'notice', text: wrong }]
    await storeEnd(running, { state: 'ended', parts, choices: [], stop: 'failed' }, deps)
  }
}

async function storeEnd(running: RunningTurn, ended: View, deps: TurnEndDeps): Promise<void> {
  const { place, chosen, agent, store, notices, keep } = deps
  const { id, strand } = running
  const rule = { access: agent.settings().fileAccess, workspace: agent.workspace }
  const { view, buttons } = await answerOf(ended, rule)
  const parts = [...view.parts, ...silence(view), ...footer(view, running, deps)]
  await keep(() =>
    store.transaction(() => {
      const choices = buttons.map((label) => {
        const action = { do: 'prompt', text: label, strand } as const
        return notices.offer(turnKey(id), place, { label, action })
      })
      store.endTurn(id, view.stop ?? 'failed')
      store.useSession(place.key, strand, chosen.providerName, view.usage ?? {})
      for (const { seq } of store.inboundsOfTurn(id)) store.setInboxState(seq, 'done')
      store.note({ turn: id }, 'turn ended', view.stop)
      running.conclude({ ...view, parts, choices })
    }),
  )
}

/** What is said where a turn ended and left nothing to see. */
function silence({ parts, stop }: View): readonly Part[] {
  if (parts.some(({ kind }) => kind !== 'notice' || stop === 'failed')) return []
  return [
    { kind: 'notice', text: stop === 'cancelled' ? 'Stopped.' : 'The agent finished without an answer.' },
  ]
}

function footer(
  { usage }: View,
  { startedAt }: RunningTurn,
  { agent, chosen, now }: TurnEndDeps,
): readonly Part[] {
  if (!agent.settings().footer || usage === undefined) return []
  const model = chosen.model ?? chosen.providerName
  return [{ kind: 'footer', text: footerOf(usage, { model, ms: now() - startedAt }) }]
}
