import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Place } from '../../core/message.ts'
import type { Memory } from '../../core/transport.ts'
import { begunForKey, created, membership, type JoinedSection, type RoomEvent } from './wire.ts'

const factsSchema = z.object({
  /** Of the bot. */
  membership: z.enum(['invite', 'join', 'leave', 'ban']),
  /** Once true, always true: a room cannot be decrypted, whatever a later event says. */
  encrypted: z.boolean(),
  joined: z.number().optional(),
  invited: z.number().optional(),
  name: z.string().optional(),
  /** Milliseconds since 1970, by the homeserver's clock. */
  joinedSince: z.number().optional(),
  /** Who invited the bot, and whether that was heard as it happened (and not found at the very first start). */
  invitation: z.object({ by: z.string(), heard: z.boolean() }).optional(),
  /** Who put the bot out of the room; its own account where somebody left with it. */
  putOutBy: z.string().optional(),
  /** That was the bot's own account. */
  left: z.boolean().optional(),
  /** Where the room says that it goes on, and who said so. */
  tombstone: z.object({ to: z.string(), by: z.string() }).optional(),
  /** The room that this one goes on with, by its own account. */
  predecessor: z.string().optional(),
  /** Who else is in it, where that is one person. */
  companion: z.string().optional(),
  /** For whom the bot began it, as the chat with its owner. */
  begunFor: z.string().optional(),
  /** Whether that person has left it, or declined to come; absent before they are invited. */
  deserted: z.boolean().optional(),
})

export type RoomFacts = z.infer<typeof factsSchema>

const unknown: RoomFacts = { membership: 'leave', encrypted: false }

/**
 * What the bot knows of its rooms. A sync changes a draft, which takes the place of the old one only when what it
 * changed is remembered: a sync that fails half-way leaves no trace.
 */
export class Rooms {
  readonly #facts: Map<string, RoomFacts>
  readonly #ints: Map<string, string>
  #direct: ReadonlySet<string>
  readonly #changes: Record<string, string> = {}

  private constructor(facts: Map<string, RoomFacts>, ints: Map<string, string>, direct: ReadonlySet<string>) {
    this.#facts = facts
    this.#ints = ints
    this.#direct = direct
  }

  static recall(memory: Memory): Rooms {
    const facts = memory.list('room:').flatMap(([key, value]): [string, RoomFacts][] => {
      const parsed = factsSchema.safeParse(JSON.parse(value))
      return parsed.success ? [[key.slice('room:'.length), parsed.data]] : []
    })
    const ints = memory.list('int:').map(([key, value]) => [key.slice('int:'.length), value] as const)
    const direct = z.array(z.string()).parse(JSON.parse(memory.recall('direct') ?? '[]'))
    return new Rooms(new Map(facts), new Map(ints), new Set(direct))
  }

  draft(): Rooms {
    return new Rooms(new Map(this.#facts), new Map(this.#ints), this.#direct)
  }

  /** What this draft has changed, to be remembered. */
  get changes(): Readonly<Record<string, string>> {
    return this.#changes
  }

  facts(room: string): RoomFacts {
    return this.#facts.get(room) ?? unknown
  }

  /** Has a sync told of it? */
  knows(room: string): boolean {
    return this.#facts.has(room)
  }

  /** Does the room have more people than one and the bot? Where nobody knows, it may. */
  isGroup(room: string): boolean {
    if (this.#direct.has(room)) return false
    const { joined, invited } = this.facts(room)
    return joined === undefined || joined + (invited ?? 0) > 2
  }

  /**
   * The place of the room's conversation, or of a thread's in it, under the number that the room keeps for ever. A room
   * that another one goes on with hands on its number.
   */
  place(room: string, thread?: string): Place {
    const key = `mx:${this.#intOf(room)}`
    const place = { key, transport: 'matrix', chat: room }
    return thread === undefined ? place : { ...place, key: `${key}:${thread}`, thread }
  }

  #intOf(room: string): string {
    const known = this.#ints.get(room)
    if (known !== undefined) return known
    const from = this.#predecessorOf(room)
    const int = (from && this.#ints.get(from)) ?? freeInt(room, new Set(this.#ints.values()))
    this.#ints.set(room, int)
    this.#changes[`int:${room}`] = int
    return int
  }

  /** The room that this one goes on with. Either can claim to belong to the other: both have to. */
  #predecessorOf(room: string): string | undefined {
    const { predecessor } = this.facts(room)
    if (predecessor === undefined || predecessor === room) return undefined
    return this.facts(predecessor).tombstone?.to === room ? predecessor : undefined
  }

  /** Is what is said there encrypted? Once it was, or in a room that this one goes on with, it is for ever. */
  isEncrypted(room: string): boolean {
    return this.facts(room).encrypted || this.succeedsEncrypted(room)
  }

  /** Does the room go on with one that is encrypted? Moving must not be a way out of encryption. */
  succeedsEncrypted(room: string): boolean {
    const seen = new Set([room])
    for (let from = this.#predecessorOf(room); from !== undefined && !seen.has(from);) {
      if (this.facts(from).encrypted) return true
      seen.add(from)
      from = this.#predecessorOf(from)
    }
    return false
  }

  /** The room that says that it goes on in this one, whether this one says so, too, or not. */
  closedFor(room: string): string | undefined {
    return [...this.#facts].find(([, { tombstone }]) => tombstone?.to === room)?.[0]
  }

  /** Does the room go on with one that the bot is in, or was in until it ended? */
  isSuccessor(room: string): boolean {
    const before = this.#predecessorOf(room)
    return before !== undefined && this.facts(before).joinedSince !== undefined
  }

  /** The room in which the conversation of `room` goes on: the last one of its successors that the bot is in. */
  #latest(room: string): string {
    const seen = new Set([room])
    let latest = room
    for (let next = this.facts(room).tombstone?.to; next !== undefined && !seen.has(next);) {
      if (this.#predecessorOf(next) === undefined || this.facts(next).membership !== 'join') break
      seen.add(next)
      latest = next
      next = this.facts(next).tombstone?.to
    }
    return latest
  }

  /** These rooms, and those that they go on in. */
  withSuccessors(rooms: Iterable<string>): ReadonlySet<string> {
    const all = new Set(rooms)
    // What is added while it goes on is visited as well.
    for (const room of all) {
      const { to } = this.facts(room).tombstone ?? {}
      if (to !== undefined && this.#predecessorOf(to) === room) all.add(to)
    }
    return all
  }

  /** Where to say what belongs into this room, or why it can be said nowhere. */
  whereabouts(room: string): { readonly room: string } | { readonly gone: string } {
    const latest = this.#latest(room)
    const { membership: own, putOutBy: by, left } = this.facts(latest)
    if ((own !== 'leave' && own !== 'ban') || by === undefined) return { room: latest }
    if (left === true) return { gone: `the bot's account has left the room ${latest}` }
    const how = own === 'ban' ? 'was banned from' : 'was put out of'
    return { gone: `the bot ${how} the room ${latest} by ${by}` }
  }

  /** The room where the bot is alone with this person; the newest one. */
  directWith(user: string): string | undefined {
    const found = [...this.#facts].filter(
      ([, { membership: own, companion, joined = 0, invited = 0 }]) =>
        own === 'join' && companion === user && joined + invited === 2,
    )
    return found.toSorted(([, a], [, b]) => (b.joinedSince ?? 0) - (a.joinedSince ?? 0))[0]?.[0]
  }

  /** The room into which the bot has invited this person to begin it, whoever is still there; the newest one. */
  begunFor(user: string): string | undefined {
    const found = [...this.#facts].filter(
      ([, { begunFor, deserted }]) => begunFor === user && deserted !== undefined,
    )
    return found.toSorted(([, a], [, b]) => (b.joinedSince ?? 0) - (a.joinedSince ?? 0))[0]?.[0]
  }

  change(room: string, change: Partial<RoomFacts>): void {
    const before = this.facts(room)
    const after = { ...before, ...change }
    if (this.#facts.has(room) && isDeepStrictEqual(before, after)) return
    this.#facts.set(room, after)
    this.#changes[`room:${room}`] = JSON.stringify(after)
  }

  /** Takes in what a sync tells of a room that the bot is in. */
  join(room: string, { summary }: JoinedSection, states: readonly RoomEvent[], self: string): void {
    const joined = summary?.['m.joined_member_count']
    const invited = summary?.['m.invited_member_count']
    const heroes = summary?.['m.heroes']
    let change: Partial<RoomFacts> = {
      membership: 'join',
      ...(joined === undefined ? {} : { joined }),
      ...(invited === undefined ? {} : { invited }),
      ...(heroes === undefined ? {} : { companion: heroes.length === 1 ? heroes[0] : undefined }),
    }
    for (const event of states) change = { ...change, ...told(event, self) }
    const { begunFor = this.facts(room).begunFor } = change
    if (begunFor !== undefined) change = { ...change, ...toldOf(begunFor, states) }
    this.change(room, change)
  }

  /** Takes in that the bot is not in a room any more. `own`: what tells so, if it was told. */
  leave(room: string, own: RoomEvent | undefined): void {
    const banned = own !== undefined && membershipOf(own) === 'ban'
    this.change(room, {
      membership: banned ? 'ban' : 'leave',
      putOutBy: own?.sender,
      left: own !== undefined && own.sender === own.state_key,
    })
  }

  /** Takes in the rooms that the bot's own account calls direct. */
  setDirect(rooms: readonly string[]): void {
    this.#direct = new Set(rooms)
    this.#changes['direct'] = JSON.stringify(rooms)
  }
}

/** What a state event says about the room. */
function told(event: RoomEvent, self: string): Partial<RoomFacts> {
  switch (event.type) {
    case 'm.room.encryption':
      return { encrypted: true }
    case 'm.room.name': {
      const { name } = event.content
      return typeof name === 'string' ? { name: name.slice(0, 200) } : {}
    }
    case 'm.room.member': {
      if (event.state_key !== self || membershipOf(event) !== 'join') return {}
      return isJoining(event) ? { joinedSince: event.origin_server_ts, putOutBy: undefined } : {}
    }
    case 'm.room.tombstone': {
      const to = event.content['replacement_room']
      // A room cannot be its own successor, and `state_key` makes others of no account.
      if (typeof to !== 'string' || !to.startsWith('!') || event.state_key !== '') return {}
      return { tombstone: { to, by: event.sender } }
    }
    case 'm.room.create': {
      const { predecessor, [begunForKey]: person } = created.safeParse(event.content).data ?? {}
      // Whoever else begins a room may write there what they like.
      return { predecessor: predecessor?.room_id, begunFor: event.sender === self ? person : undefined }
    }
    default:
      return {}
  }
}

/** Whether the person for whom a room was begun has left it, if the events tell. */
function toldOf(person: string, states: readonly RoomEvent[]): Partial<RoomFacts> {
  const own = states.findLast(({ type, state_key: user }) => type === 'm.room.member' && user === person)
  return own === undefined ? {} : { deserted: !['invite', 'join'].includes(membershipOf(own) ?? '') }
}

export function membershipOf({ content }: Pick<RoomEvent, 'content'>): string | undefined {
  return membership.safeParse(content).data?.membership
}

/** A member's event is also sent when only the name changes. */
export function isJoining(event: RoomEvent): boolean {
  const before = membership.safeParse(event.unsigned?.prev_content).data?.membership
  return membershipOf(event) === 'join' && before !== 'join'
}

function freeInt(room: string, taken: ReadonlySet<string>): string {
  for (let attempt = 0; ; attempt++) {
    const int = roomInt(attempt === 0 ? room : `${room}:${attempt}`)
    if (!taken.has(int)) return int
  }
}

/** The first eight bytes of SHA-256, as an unsigned number: too big for a JavaScript number, so it stays a text. */
function roomInt(text: string): string {
  return createHash('sha256').update(text).digest().readBigUInt64BE().toString()
}
