import { z } from 'zod'
import { authorise, type Policy } from '../../core/authorise.ts'
import type { Log } from '../../core/define.ts'
import type { Memory } from '../../core/transport.ts'
import type { AllowedRooms } from './allowed-rooms.ts'
import type { Budget } from './budget.ts'
import type { Chore } from './chores.ts'
import { path, type MatrixClient } from './client.ts'
import { AccountData } from './crypto/account-data.ts'
import { performCrypto } from './crypto/duties.ts'
import type { CryptoSide } from './crypto/side.ts'
import { wearKeycaps } from './reactions.ts'
import * as wire from './wire.ts'

export interface DutyDeps {
  readonly client: MatrixClient
  /** The bot's own user id. */
  readonly self: string
  readonly crypto: CryptoSide
  readonly budget: Budget
  readonly memory: Memory
  readonly log: Log
  readonly allowedRooms: AllowedRooms
  readonly policy: () => Policy
  /** Is the bot still invited there? */
  readonly isInvited: (room: string) => boolean
  /** The room that says that it goes on in this one. */
  readonly closedFor: (room: string) => string | undefined
}

/** Does one chore. Doing it again does no harm. Throws what the client throws. */
export async function perform(chore: Chore, deps: DutyDeps, signal: AbortSignal): Promise<void> {
  switch (chore.kind) {
    case 'answer-invitation':
      return answerInvitation(chore, deps, signal)
    case 'follow-upgrade':
      return followUpgrade(chore, deps, signal)
    case 'mark-direct':
      return markDirect(chore, deps, signal)
    case 'keycaps':
      return wearKeycaps(chore, deps, signal)
    case 'tell-sealed':
    case 'tell-doubt':
    case 'tell-plain':
    case 'verify':
    case 'say':
    case 'cancel-verification':
      return performCrypto(chore, deps, signal)
  }
}

/** Joins where room and inviter are allowed; declines, without ever going in, where they are not. */
async function answerInvitation(
  { room, by }: Extract<Chore, { kind: 'answer-invitation' }>,
  { client, log, allowedRooms, policy, isInvited, closedFor }: DutyDeps,
  signal: AbortSignal,
): Promise<void> {
  if (!isInvited(room)) return
  if (allowedRooms.mayHold(room)) await allowedRooms.resolve(client, signal)
  const verdict = authorise(policy(), {
    act: 'invite',
    sender: by,
    // Whether it really goes on with that one can be seen only inside; until then, nothing said there counts.
    chat: closedFor(room) ?? room,
    group: true,
    addressed: false,
  })
  if (verdict.allowed) {
    await client.call({ method: 'POST', path: path`/rooms/${room}/join`, body: {} }, wire.joinedRoom, signal)
    log.info({ room, inviter: by }, 'joined a room')
    return
  }
  await client.call({ method: 'POST', path: path`/rooms/${room}/leave`, body: {} }, wire.done, signal)
  log.warn({ room, inviter: by, reason: verdict.reason }, 'declined an invitation')
}

/**
 * Goes where the room goes on, if that was said by somebody whose invitation would be accepted; a stranger with the
 * right to close the room must not lead the bot anywhere. Whether the two rooms belong together, the new one has to
 * say, too.
 */
async function followUpgrade(
  { room, to, by }: Extract<Chore, { kind: 'follow-upgrade' }>,
  { client, log, policy }: DutyDeps,
  signal: AbortSignal,
): Promise<void> {
  const attempt = { act: 'invite', sender: by, chat: room, group: true, addressed: false } as const
  const verdict = authorise(policy(), attempt)
  if (!verdict.allowed) {
    log.warn({ room, to, by, reason: verdict.reason }, 'did not follow the upgrade of a room')
    return
  }
  const query = { server_name: by.slice(by.indexOf(':') + 1) }
  await client.call({ method: 'POST', path: path`/join/${to}`, query, body: {} }, wire.joinedRoom, signal)
  log.info({ room, to, by }, 'followed the upgrade of a room')
}

/** Clients show it among the people, and the bot's other sessions know it, too. */
async function markDirect(
  { room, user }: Extract<Chore, { kind: 'mark-direct' }>,
  { client, self }: DutyDeps,
  signal: AbortSignal,
): Promise<void> {
  const data = new AccountData(() => client, self)
  const known = (await data.get('m.direct', directRooms, signal)) ?? {}
  const rooms = known[user] ?? []
  if (!rooms.includes(room)) await data.set('m.direct', { ...known, [user]: [...rooms, room] }, signal)
}

const directRooms = z.record(z.string(), z.array(z.string()))
