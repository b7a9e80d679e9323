import type { Self } from './addressed.ts'
import { path, type MatrixClient } from './client.ts'
import { isJoining, membershipOf, type RoomFacts } from './rooms.ts'
import { membership, messagesPage, type JoinedSection, type RoomEvent } from './wire.ts'

/** Milliseconds by which a homeserver's clock may be behind ours. */
const clocksDiffer = 5 * 60_000
const mostMissedPages = 50

export interface News {
  /** What is news to the bot, oldest first. */
  readonly events: readonly RoomEvent[]
  /** Display names, by user id. */
  readonly names: ReadonlyMap<string, string>
}

interface NewsDeps {
  readonly client: MatrixClient
  readonly self: Self
  readonly missedFrom?: number | undefined
}

/**
 * Finds what is news in a room. A sync leaves out the older part when much happened: that is fetched, however much it
 * is. In a room that the bot has just joined, news begins with its invitation (people begin to talk when they have
 * invited, not when the bot has come in), or with its joining where the invitation was not heard as it happened.
 * Where the homeserver lost the bot's place, it is found by time.
 */
export async function newsOf(
  room: string,
  section: JoinedSection,
  since: string | undefined,
  before: RoomFacts,
  /** The room goes on with another one: all that was said in it is news. */
  isSuccessor: boolean,
  { client, self, missedFrom }: NewsDeps,
  signal: AbortSignal,
): Promise<News> {
  const names = new Map<string, string>()
  learn(names, section.state?.events ?? [])
  const latest = section.timeline?.events ?? []
  const known = before.membership === 'join'
  if (since === undefined) {
    if (!known || missedFrom === undefined) return { events: [], names }
    return { events: await missed(room, section, missedFrom - clocksDiffer, names, client, signal), names }
  }

  const fromInvitation = before.invitation?.heard === true
  const start = (events: readonly RoomEvent[]): number | undefined =>
    known || isSuccessor ? undefined : beginning(events, self.userId, fromInvitation)

  let events: readonly RoomEvent[] = latest
  let from = section.timeline?.limited === true ? section.timeline.prev_batch : undefined
  while (from !== undefined && start(events) === undefined) {
    const query = { from, dir: 'b', limit: '100', ...(known ? { to: since } : {}), filter: lazyMembers }
    const call = { method: 'GET', path: path`/rooms/${room}/messages`, query } as const
    const page = await client.call(call, messagesPage, signal)
    learn(names, page.state)
    events = withOlder(page.chunk, events)
    from = page.chunk.length === 0 ? undefined : page.end
  }
  learn(names, events)
  if (known || isSuccessor) return { events, names }
  const first = start(events) ?? events.findLastIndex((event) => isOwnJoining(event, self.userId))
  return { events: first === -1 ? [] : events.slice(first + 1), names }
}

/** What was said since then, as far as it can be found; some of it may have been heard already. */
async function missed(
  room: string,
  { timeline }: JoinedSection,
  fromMs: number,
  names: Map<string, string>,
  client: MatrixClient,
  signal: AbortSignal,
): Promise<readonly RoomEvent[]> {
  let events: readonly RoomEvent[] = timeline?.events ?? []
  let from = timeline?.limited === true ? timeline.prev_batch : undefined
  const isOld = ({ origin_server_ts: at }: RoomEvent) => at < fromMs
  for (let page = 0; page < mostMissedPages && from !== undefined && !events.some(isOld); page += 1) {
    const query = { from, dir: 'b', limit: '100', filter: lazyMembers }
    const call = { method: 'GET', path: path`/rooms/${room}/messages`, query } as const
    const { chunk, state, end } = await client.call(call, messagesPage, signal)
    learn(names, state)
    events = withOlder(chunk, events)
    from = chunk.length === 0 ? undefined : end
  }
  learn(names, events)
  return events.filter((event) => !isOld(event))
}

/** `older`: the newest first. In a room that was just joined it may hold again what the sync has brought. */
function withOlder(older: readonly RoomEvent[], events: readonly RoomEvent[]): readonly RoomEvent[] {
  const known = new Set(events.map(({ event_id: id }) => id))
  return [...older.toReversed().filter(({ event_id: id }) => !known.has(id)), ...events]
}

const lazyMembers = JSON.stringify({ lazy_load_members: true, include_redundant_members: true })

/** Where the bot's own time in the room begins; undefined while that is not among the events. */
function beginning(events: readonly RoomEvent[], self: string, fromInvitation: boolean): number | undefined {
  const joining = events.findLastIndex((event) => isOwnJoining(event, self))
  if (joining === -1) return undefined
  if (!fromInvitation) return joining
  const invitation = events
    .slice(0, joining)
    .findLastIndex((event) => isAbout(event, self) && membershipOf(event) === 'invite')
  return invitation === -1 ? undefined : invitation
}

function isOwnJoining(event: RoomEvent, self: string): boolean {
  return isAbout(event, self) && isJoining(event)
}

function isAbout(event: RoomEvent, user: string): boolean {
  return event.type === 'm.room.member' && event.state_key === user
}

/** Names are what people chose for themselves: kept on one line, of a bearable length, and nothing to rely on. */
function learn(names: Map<string, string>, events: readonly RoomEvent[]): void {
  for (const { type, state_key: user, content } of events) {
    if (type !== 'm.room.member' || user === undefined) continue
    const name = membership.safeParse(content).data?.displayname
    const line = name
      ?.replaceAll(/[\p{C}\p{Z}]+/gu, ' ')
      .trim()
      .slice(0, 100)
      .toWellFormed()
    if (line !== undefined && line !== '') names.set(user, line)
  }
}
