import { randomUUID } from 'node:crypto'
import type { Agent } from './agent.ts'
import type { Chosen } from './chosen.ts'
import { expired } from './freshness.ts'
import type { Attachment, Message, Place } from './message.ts'
import type { Notices } from './notices.ts'
import { promptOf, together, type Brought } from './prompt.ts'
import type { PermissionMode, Turn } from './provider.ts'
import { queueKey } from './queue-notice.ts'
import type { InboxRow, SessionRow, Store } from './store.ts'
import type { Transport } from './transport.ts'
import type { Part } from './view.ts'

export interface BeginDeps {
  readonly place: Place
  readonly strand: string
  readonly agent: Agent
  readonly chosen: Chosen
  readonly store: Store
  readonly notices: Notices
  readonly now: () => number
}

/** A turn that has begun: what it is of, and why it does not go on with the session of before. */
export interface Begun {
  readonly id: string
  readonly startedAt: number
  readonly message: Message
  readonly over: string | undefined
}

/**
 * Begins the turn of those of the messages that still wait, in one transaction. It reads them anew: while the disk
 * took nothing, a person may have taken them back or changed them. Undefined: none of them waits any more.
 */
export function beginTurn(rows: readonly InboxRow[], deps: BeginDeps): Begun | undefined {
  const { place, strand, agent, store, notices, now } = deps
  const { providerName } = deps.chosen
  return store.transaction(() => {
    const waiting = rows.flatMap(({ seq }) => store.inboundBySeq(seq) ?? []).filter(isWaiting)
    const message = together(waiting.flatMap(({ inbound }) => (inbound.kind === 'message' ? [inbound] : [])))
    if (message === undefined) return undefined
    const id = randomUUID()
    const startedAt = now()
    const over = sessionOver(store.session(place.key, strand, providerName), agent, startedAt)
    store.startTurn({ id, place, strand, provider: providerName, startedAt })
    if (over !== undefined) store.setSession(place, strand, providerName, undefined)
    for (const { seq } of waiting) {
      store.setInboxState(seq, 'running', id)
      store.note({ seq }, 'turn started', `${providerName}, turn ${id}`)
      notices.withdraw(queueKey(seq), place)
    }
    return { id, startedAt, message, over }
  })
}

function isWaiting({ state }: InboxRow): boolean {
  return state === 'queued'
}

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
  // Also where a session goes on: the CLI may have lost it, and then another one begins.
  const instructions = await agent.instructions?.()
  const tools = agent.toolsFor?.(place, strand)
  return {
    id,
    place,
    strand,
    prompt: promptOf(message, brought),
    attachments: filesOf(brought),
    cwd: agent.workspace,
    permissionMode: permissionMode(agent, transport, message.atMost),
    ...(session === undefined ? {} : { resume: session.id }),
    ...(grants.length === 0 ? {} : { grants }),
    ...(instructions === undefined ? {} : { instructions }),
    ...(tools === undefined ? {} : { tools }),
    ...(model === undefined ? {} : { model }),
    ...(effort === undefined ? {} : { effort }),
  }
}

/** From the strictest on. */
const strictness: readonly PermissionMode[] = ['readOnly', 'plan', 'ask', 'acceptEdits', 'bypassPermissions']

/** Where another agent asks, nobody is there who could give leave. */
function permissionMode(
  agent: Agent,
  transport: Transport | undefined,
  atMost: PermissionMode = 'bypassPermissions',
): PermissionMode {
  const { permissionMode: own } = agent.settings()
  const wanted = strictness.find((mode) => mode === own || mode === atMost) ?? 'readOnly'
  const nobody = transport?.asksNobody === true
  return nobody && (wanted === 'ask' || wanted === 'plan') ? 'readOnly' : wanted
}

/** What of it is on this machine. */
export function filesOf(brought: readonly Brought[]): readonly Attachment[] {
  return brought.flatMap(({ attachment }) => (attachment.path === undefined ? [] : [attachment]))
}

/** Why the session is not gone on with, in words for a person; undefined where it is, or where there is none. */
function sessionOver(session: SessionRow | undefined, agent: Agent, now: number): string | undefined {
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
