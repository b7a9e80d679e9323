import type { Log } from '../../core/define.ts'
import type { Inbound } from '../../core/message.ts'
import type { Self } from './addressed.ts'
import type { Authors } from './authors.ts'
import type { Chore } from './chores.ts'
import { path, type MatrixClient } from './client.ts'
import type { Reading } from './crypto/reading.ts'
import { understand } from './hear.ts'
import { newsOf } from './news.ts'
import { pulseType } from './pulse.ts'
import { membershipOf, type RoomFacts, type Rooms } from './rooms.ts'
import * as wire from './wire.ts'
import type { InvitedSection, JoinedSection, LeftSection, RoomEvent, SyncAnswer } from './wire.ts'

export interface SyncDeps {
  readonly client: MatrixClient
  readonly self: Self
  readonly authors: Authors
  readonly reading: Reading
  readonly log: Log
  /** Is a thread a conversation of its own? */
  readonly threads: boolean
  /** Where the place in the stream was lost: when the bot last heard anything, in milliseconds since 1970. */
  readonly missedFrom?: number | undefined
  /** Changed by the reading: a draft that counts when the batch is stored. */
  readonly rooms: Rooms
}

/** What one answer of the homeserver brought. Nothing of it counts before it is stored. */
export interface Batch {
  readonly inbounds: readonly Inbound[]
  readonly chores: readonly Chore[]
}

const filter = {
  presence: { types: [] },
  account_data: { types: ['m.direct', pulseType] },
  room: {
    account_data: { types: [] },
    ephemeral: { types: [] },
    // Redundant: the homeserver would take a name for known to us as long as it runs, whether we still know it or not.
    state: { lazy_load_members: true, include_redundant_members: true },
    timeline: { limit: 50, lazy_load_members: true },
  },
}

/** What was said before the very first sync is not read. */
const firstFilter = { ...filter, room: { ...filter.room, timeline: { limit: 1, lazy_load_members: true } } }

/**
 * Asks what happened since `since`, and waits up to `waitMs` for something to happen. Without `since`, `lost` says that
 * the bot has only lost its place: then some of what was said last is wanted.
 */
export async function askSync(
  client: MatrixClient,
  { since, lost }: { readonly since: string | undefined; readonly lost: boolean },
  waitMs: number,
  signal: AbortSignal,
): Promise<SyncAnswer> {
  const query = {
    since,
    timeout: String(waitMs),
    filter: JSON.stringify(since === undefined && !lost ? firstFilter : filter),
    set_presence: 'offline',
  }
  const call = { method: 'GET', path: path`/sync`, query, timeoutMs: waitMs + 60_000 } as const
  return client.call(call, wire.syncAnswer, signal)
}

/**
 * Understands an answer. Without `since` it is the first that this bot ever got: all that was said before is history,
 * and not for us; unless the bot only lost its place. Throws what the homeserver's calls throw; then the answer is to be asked for and read again.
 */
export async function readSync(
  answer: SyncAnswer,
  since: string | undefined,
  deps: SyncDeps,
  signal: AbortSignal,
): Promise<Batch> {
  const { rooms, self } = deps
  const inbounds: Inbound[] = []
  const chores: Chore[] = []
  const direct = directRooms(answer)
  if (direct !== undefined) rooms.setDirect(direct)
  for (const [room, section] of Object.entries(answer.rooms.invite)) {
    const by = inviter(section, self.userId)
    rooms.change(room, { membership: 'invite', invitation: { by, heard: since !== undefined } })
    chores.push({ kind: 'answer-invitation', room, by })
  }
  for (const [room, section] of Object.entries(answer.rooms.leave)) leave(room, section, deps)
  for (const [room, section] of Object.entries(answer.rooms.join)) {
    const found = await readRoom(room, section, since, deps, signal)
    inbounds.push(...found.inbounds)
    chores.push(...found.chores)
  }
  return { inbounds, chores }
}

/** Understands what came earlier and can be read only now. */
export async function readLate(
  late: ReadonlyMap<string, readonly RoomEvent[]>,
  deps: SyncDeps,
  signal: AbortSignal,
): Promise<readonly Inbound[]> {
  const inbounds: Inbound[] = []
  for (const [room, events] of late) {
    inbounds.push(...(await understandAll(room, events, new Map(), deps, signal)))
  }
  return inbounds
}

/** The bot is not there any more: put out, or gone by itself. */
function leave(room: string, { state, timeline }: LeftSection, { rooms, self, log }: SyncDeps): void {
  const own = [...(state?.events ?? []), ...(timeline?.events ?? [])].findLast(
    (event) => event.type === 'm.room.member' && event.state_key === self.userId,
  )
  const { membership: before } = rooms.facts(room)
  rooms.leave(room, own)
  if (before !== 'join' || own === undefined) return
  if (own.sender === self.userId) return log.warn({ room }, "the bot's account has left a room")
  log.warn({ room, by: own.sender, how: membershipOf(own) }, 'the bot was put out of a room')
}

async function readRoom(
  room: string,
  section: JoinedSection,
  since: string | undefined,
  deps: SyncDeps,
  signal: AbortSignal,
): Promise<Batch> {
  const { rooms, self, reading } = deps
  const before = rooms.facts(room)
  const states = [...(section.state?.events ?? []), ...(section.timeline?.events ?? [])]
  rooms.join(room, section, states, self.userId)
  const moved = followUpgrade(room, before, rooms)
  const isNew = before.membership !== 'join'
  const goesOn = isNew && rooms.isSuccessor(room)
  const { events, names } = await newsOf(room, section, since, before, goesOn, deps, signal)
  const wasEncrypted = before.encrypted || rooms.succeedsEncrypted(room)
  const readable = await reading.read(room, events, wasEncrypted, signal)
  return { inbounds: await understandAll(room, readable, names, deps, signal), chores: moved }
}

async function understandAll(
  room: string,
  events: readonly RoomEvent[],
  names: ReadonlyMap<string, string>,
  { rooms, self, authors, threads }: SyncDeps,
  signal: AbortSignal,
): Promise<readonly Inbound[]> {
  const placeOf = (thread: string | undefined) => rooms.place(room, threads ? thread : undefined)
  const hearing = { room, placeOf, group: rooms.isGroup(room), self, authors, names }
  const inbounds: Inbound[] = []
  for (const event of events) {
    const inbound = await understand(event, hearing, signal)
    if (inbound !== undefined) inbounds.push(inbound)
  }
  return inbounds
}

/** The room says that it goes on elsewhere: the bot goes there, too. */
function followUpgrade(room: string, before: RoomFacts, rooms: Rooms): readonly Chore[] {
  const { tombstone } = rooms.facts(room)
  if (tombstone === undefined || tombstone.to === before.tombstone?.to) return []
  if (rooms.facts(tombstone.to).membership === 'join') return []
  return [{ kind: 'follow-upgrade', room, ...tombstone }]
}

/** Who invited the bot, by the invitation itself. Empty where nobody can be named: an id that nobody has. */
function inviter({ invite_state: { events } }: InvitedSection, self: string): string {
  const invitation = events.findLast(
    (event) => event.type === 'm.room.member' && event.state_key === self && membershipOf(event) === 'invite',
  )
  return invitation?.sender ?? ''
}

function directRooms({ account_data: data }: SyncAnswer): readonly string[] | undefined {
  const event = data?.events.findLast(({ type }) => type === 'm.direct')
  if (event === undefined) return undefined
  return Object.values(event.content).flatMap((ids) =>
    Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [],
  )
}
