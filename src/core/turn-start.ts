import type { Agent } from './agent.ts'
import type { Chosen } from './chosen.ts'
import { expired } from './freshness.ts'
import type { Attachment, Message, Place } from './message.ts'
import { promptOf, type Brought } from './prompt.ts'
import type { PermissionMode, Turn } from './provider.ts'
import type { SessionRow, Store } from './store.ts'
import type { Transport } from './transport.ts'
import type { Part } from './view.ts'

/** Whose turn it is, and what it is begun with. */
export interface TurnStart {
  readonly id: string
  readonly place: Place
  readonly strand: string
  readonly agent: Agent
  readonly transport: Transport | undefined
  readonly chosen: Chosen
  readonly store: Store
  readonly message: Message
  readonly brought: readonly Brought[]
}

/** All that a provider needs to run it. */
export async function turnOf(start: TurnStart): Promise<Turn> {
  const { id, place, strand, agent, transport, store, message, brought } = start
  const { providerName, model, effort } = start.chosen
  const session = store.session(place.key, strand, providerName)
  const grants = store.grants(place.key, strand, providerName)
  const instructions = session === undefined ? await agent.instructions?.() : undefined
  const tools = agent.toolsFor?.(place, strand)
  return {
    id,
    place,
    strand,
    prompt: promptOf(message, brought),
    attachments: filesOf(brought),
    cwd: agent.workspace,
    permissionMode: permissionMode(agent, transport),
    ...(session === undefined ? {} : { resume: session.id }),
    ...(grants.length === 0 ? {} : { grants }),
    ...(instructions === undefined ? {} : { instructions }),
    ...(tools === undefined ? {} : { tools }),
    ...(model === undefined ? {} : { model }),
    ...(effort === undefined ? {} : { effort }),
  }
}

/** Where another agent asks, nobody is there who could give leave. */
function permissionMode(agent: Agent, transport: Transport | undefined): PermissionMode {
  const { permissionMode: wanted } = agent.settings()
  const nobody = transport?.asksNobody === true
  return nobody && (wanted === 'ask' || wanted === 'plan') ? 'readOnly' : wanted
}

/** What of it is on this machine. */
export function filesOf(brought: readonly Brought[]): readonly Attachment[] {
  return brought.flatMap(({ attachment }) => (attachment.path === undefined ? [] : [attachment]))
}

/** Why the session is not gone on with, in words for a person; undefined where it is, or where there is none. */
export function sessionOver(session: SessionRow | undefined, agent: Agent, now: number): string | undefined {
  return session === undefined ? undefined : expired(session, agent.settings().expiry, now)
}

/** What stands before the answer: whose it is, and that an earlier session is over. */
export function preface(strand: string, over?: string): readonly Part[] {
  const parts: Part[] = []
  if (strand !== '') parts.push({ kind: 'notice', text: `@${strand}` })
  if (over !== undefined)
    parts.push({
      kind: 'notice',
      text: `A new conversation begins: ${over}. /resume lists the earlier ones.`,
    })
  return parts
}
