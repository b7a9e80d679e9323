import { z } from 'zod'
import type { Interview } from '../../core/set-up.ts'
import { UserError } from '../../core/user-error.ts'
import { MatrixClient, MatrixError, path } from './client.ts'
import { config } from './config.ts'
import { inWords } from './set-up-log-in.ts'
import { resolvedAlias } from './wire.ts'

const everywhere = 'all'

const joinedRooms = z.object({ joined_rooms: z.array(z.string()) })

const summary = z.object({
  membership: z.string().optional().catch(undefined),
  join_rule: z.string().optional().catch(undefined),
})

/** A room that was named, and how the bot stands to it. */
export interface NamedRoom {
  /** As it was typed: an id or an alias. */
  readonly name: string
  readonly access: 'in' | 'invited' | 'open' | 'closed'
}

/** Asks in which rooms the bot shall work, looks whether it can enter them, and says what to do. None: everywhere. */
export async function askRooms(
  interview: Interview,
  bot: { readonly base: string; readonly accessToken: string; readonly userId: string },
): Promise<readonly NamedRoom[]> {
  const rooms = await interview.text({
    option: 'matrix-allowed-rooms',
    ask: 'Only in certain rooms? Their ids or aliases (Enter for every room that it is invited to)',
    initial: everywhere,
    example: '#team:matrix.org',
    busy: 'Looking at the rooms',
    async accept(words, signal): Promise<readonly NamedRoom[]> {
      const names = namesIn(words)
      const client = new MatrixClient(bot.base, bot.accessToken)
      try {
        return await Promise.all(names.map((name) => lookAt(client, name, signal)))
      } catch (error) {
        throw inWords(error)
      }
    },
  })
  if (rooms.length > 0) interview.tell(rooms.map((room) => inWordsOf(room, bot.userId)).join('\n'))
  return rooms
}

function namesIn(words: string): readonly string[] {
  const names = words.split(/[\s,;]+/).filter((word) => word !== '')
  if (names.length === 0 || (names.length === 1 && names[0]?.toLowerCase() === everywhere)) return []
  const wrong = names.find((name) => !config.shape.matrix.shape.allowed_rooms.safeParse([name]).success)
  if (wrong === undefined) return [...new Set(names)]
  throw new UserError(
    `“${wrong}” is no room: an id looks like !abc:server, an alias like #name:server. The app shows them in the settings of the room.`,
  )
}

/** Throws `UserError` for an alias that is no room. */
async function lookAt(client: MatrixClient, name: string, signal: AbortSignal): Promise<NamedRoom> {
  const room = name.startsWith('#') ? await resolved(client, name, signal) : name
  const joined = await client.call({ method: 'GET', path: path`/joined_rooms` }, joinedRooms, signal)
  if (joined.joined_rooms.includes(room)) return { name, access: 'in' }
  const { membership, join_rule: rule } = await seen(client, room, signal)
  if (membership === 'invite') return { name, access: 'invited' }
  return { name, access: rule === 'public' ? 'open' : 'closed' }
}

async function resolved(client: MatrixClient, alias: string, signal: AbortSignal): Promise<string> {
  try {
    const call = { method: 'GET', path: path`/directory/room/${alias}` } as const
    return (await client.call(call, resolvedAlias, signal)).room_id
  } catch (error) {
    if (!(error instanceof MatrixError) || error.status !== 404) throw error
    throw new UserError(`There is no room ${alias}. Check the alias, or take the id of the room (!…).`, {
      cause: error,
    })
  }
}

/** What the room shows to somebody outside; nothing where it shows nothing, or the homeserver cannot tell. */
async function seen(
  client: MatrixClient,
  room: string,
  signal: AbortSignal,
): Promise<z.infer<typeof summary>> {
  try {
    const where = `/_matrix/client/v1/room_summary/${encodeURIComponent(room)}`
    return await client.call({ method: 'GET', path: where }, summary, signal)
  } catch (error) {
    if (error instanceof MatrixError && !error.passing && !error.deadToken) return {}
    throw error
  }
}

function inWordsOf({ name, access }: NamedRoom, bot: string): string {
  switch (access) {
    case 'in':
      return `✓ ${name}: the bot is in it.`
    case 'invited':
      return `✓ ${name}: the bot is invited, and joins when ductor starts.`
    case 'open':
      return `– ${name}: everybody may enter. Invite ${bot} there from within the room: it goes only where it is invited.`
    case 'closed':
      return `– ${name}: the bot cannot enter yet. Invite ${bot} there from within the room.`
  }
}

/** What to do for the first message. */
export function firstStep(rooms: readonly NamedRoom[], bot: string): string {
  if (rooms.length === 0) return `Invite ${bot} to a room, or begin a chat with it, and write.`
  const ready = rooms.find(({ access }) => access === 'in' || access === 'invited')
  return ready === undefined
    ? `Invite ${bot} to ${rooms.map(({ name }) => name).join(' and ')}, and write there.`
    : `Write in ${ready.name}.`
}
