import type { Memory } from '../../../core/transport.ts'
import type { Chore } from '../chores.ts'
import { SealedEvents, type SealedEntry } from './sealed.ts'
import type { CryptoSide } from './side.ts'

export type CryptoChore = Extract<
  Chore,
  { kind: 'tell-sealed' | 'tell-doubt' | 'tell-plain' | 'verify' | 'say' | 'cancel-verification' }
>

/** Does one chore of the encryption. Doing it again does no harm. Throws what the client throws. */
export async function performCrypto(
  chore: CryptoChore,
  { crypto, memory }: { readonly crypto: CryptoSide; readonly memory: Memory },
  signal: AbortSignal,
): Promise<void> {
  switch (chore.kind) {
    case 'tell-sealed': {
      const entries = new SealedEvents(memory).in(chore.room).filter(({ told }) => told === true)
      const [first] = entries
      if (first === undefined) return
      await crypto.say(
        chore.room,
        sealedNotice(entries),
        `sealed ${chore.room} ${first.event.event_id}`,
        signal,
      )
      return
    }
    case 'tell-doubt': {
      const { room, user, device, refused } = chore
      await crypto.say(room, doubtNotice(user, device, refused), `doubt ${room} ${user} ${device}`, signal)
      return
    }
    case 'tell-plain': {
      const { room, user, refused } = chore
      return crypto.say(room, plainNotice(user, refused), `plain ${room} ${user}`, signal)
    }
    case 'verify': {
      const { room, user, event } = chore
      const text = await crypto.verification.begin(room, user, `verify ${event}`, signal)
      await crypto.say(room, text, `verify answer ${event}`, signal)
      return
    }
    case 'say':
      return crypto.say(chore.room, chore.text, chore.key, signal)
    case 'cancel-verification':
      return cancelVerification(chore, crypto, signal)
  }
}

/** So that the other side does not wait for what cannot come. */
async function cancelVerification(
  { user, flow, room, device }: Extract<Chore, { kind: 'cancel-verification' }>,
  crypto: CryptoSide,
  signal: AbortSignal,
): Promise<void> {
  const type = 'm.key.verification.cancel'
  const key = `verification ${user} ${flow} cancel`
  const why = { code: 'm.unknown_transaction', reason: 'the bot does not know this verification any more' }
  if (room !== undefined) {
    const content = { ...why, 'm.relates_to': { rel_type: 'm.reference', event_id: flow } }
    await crypto.send({ room, type, content, key }, signal)
  } else if (device !== undefined) {
    const content = { ...why, transaction_id: flow }
    await crypto.sendToDevice({ user, device, type, content, key }, signal)
  }
}

function sealedNotice(entries: readonly SealedEntry[]): string {
  const [what, them] = entries.length === 1 ? ['A message', 'it'] : [`${entries.length} messages`, 'them']
  const first = entries[0]?.event
  const when =
    first === undefined ? '' : new Date(first.origin_server_ts).toISOString().slice(0, 16).replace('T', ' ')
  const from = [...new Set(entries.map(({ event }) => event.sender))].slice(0, 3).join(', ')
  return `${what} from ${from} (the first at ${when} UTC) cannot be decrypted: the key did not reach me. If it still comes, I read ${them}; or send ${them} again.`
}

function doubtNotice(user: string, device: string, refused: boolean): string {
  const what = `The session ${device} of ${user} is not verified by its owner`
  if (refused) {
    return `${what}, so I do not read what it says (matrix.encryption.trust). Verify it in the app, then write again.`
  }
  return `${what}: I cannot be sure who writes from it. I read it all the same; matrix.encryption.trust can forbid that.`
}

function plainNotice(user: string, refused: boolean): string {
  const what = `A message of ${user} came unencrypted, though this room is encrypted`
  if (refused) {
    return `${what}, so I do not read it (matrix.encryption.trust): whoever runs the homeserver could have written it. Write it again from an app that encrypts.`
  }
  return `${what}: I cannot be sure who wrote it. I read it all the same; matrix.encryption.trust can forbid that.`
}
