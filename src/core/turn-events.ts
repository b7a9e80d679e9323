import type { Agent } from './agent.ts'
import { askedModel, forOnce } from './asked-model.ts'
import { bring, type BringDeps } from './attachments.ts'
import type { Chosen } from './chosen.ts'
import type { Log } from './define.ts'
import { gist } from './gist.ts'
import type { Message, Place } from './message.ts'
import type { TurnEvent } from './provider.ts'
import type { RunningTurn } from './running-turn.ts'
import type { Store } from './store.ts'
import type { Transport } from './transport.ts'
import { turnOf } from './turn-start.ts'

export interface TurnEventsDeps {
  readonly place: Place
  readonly strand: string
  readonly agent: Agent
  readonly chosen: Chosen
  readonly transport: Transport | undefined
  readonly store: Store
  readonly log: Log
}

/** Brings what came with the message, and has the provider run the turn. What is amiss stands in the answer. */
export async function turnEvents(
  running: RunningTurn,
  message: Message,
  deps: TurnEventsDeps,
): Promise<AsyncIterable<TurnEvent>> {
  const { place, chosen, agent } = deps
  const { signal } = running.abort
  const brought = await bring(message, place, bringingOf(deps), signal)
  for (const { attachment, missing, unheard } of brought) {
    const wrong = missing ?? unheard
    if (wrong !== undefined) running.say(`${gist(attachment.name, 60)}: ${wrong}`)
  }
  const asked = signal.aborted ? undefined : await askedModel(message, chosen, agent.workspace, signal)
  if (signal.aborted) return cancelled()
  if (asked !== undefined) running.say(`${asked.model.name}, for this message`)
  const start = { ...deps, id: running.id, message, brought }
  const turn = await turnOf(asked === undefined ? start : { ...start, ...forOnce(asked, chosen) })
  return chosen.provider.run(turn, signal)
}

/** What files are brought here with. */
export function bringingOf({
  transport,
  agent,
  log,
}: Pick<TurnEventsDeps, 'transport' | 'agent' | 'log'>): BringDeps {
  return {
    log,
    ...(transport?.fetch === undefined ? {} : { fetch: transport.fetch.bind(transport) }),
    ...(agent.transcribe === undefined ? {} : { transcribe: agent.transcribe }),
  }
}

async function* cancelled() {
  yield { type: 'turn.ended' as const, stop: 'cancelled' as const }
}
