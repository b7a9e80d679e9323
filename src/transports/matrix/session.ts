import type { MessageRef } from '../../core/transport.ts'
import type { Self } from './addressed.ts'
import { Authors } from './authors.ts'
import { Budget } from './budget.ts'
import { MatrixError, NoAnswer, path, type MatrixClient } from './client.ts'
import { FilesOut } from './files-out.ts'
import type { CryptoSide } from './crypto/side.ts'
import type { SignedIn } from './login.ts'
import type { RoomEventToSend, Voice } from './send.ts'
import * as wire from './wire.ts'

/** One log-in, from the moment at which the homeserver accepts it to the moment at which it does not any more. */
export class Session implements Voice {
  readonly client: MatrixClient
  readonly self: Self
  readonly device: string
  readonly authors: Authors
  readonly files: FilesOut
  readonly budget = new Budget()
  /** Made by password a moment ago; becomes false when a sync has shown that it works. */
  fresh: boolean
  readonly #crypto: CryptoSide
  readonly #end = new AbortController()

  private constructor({ client, deviceId, fresh }: SignedIn, self: Self, crypto: CryptoSide) {
    this.client = client
    this.device = deviceId
    this.self = self
    this.authors = new Authors(client, (room, event, signal) => crypto.reveal(room, event, signal))
    this.#crypto = crypto
    this.files = new FilesOut(client)
    this.fresh = fresh
  }

  static async open(signedIn: SignedIn, crypto: CryptoSide, signal: AbortSignal): Promise<Session> {
    const displayName = await displayNameOf(signedIn, signal)
    const { userId } = signedIn
    return new Session(signedIn, displayName === undefined ? { userId } : { userId, displayName }, crypto)
  }

  send(event: RoomEventToSend, signal: AbortSignal): Promise<MessageRef> {
    return this.budget.spend('words', () => this.#crypto.outgoing.send(event, this.client, signal))
  }

  /** Aborted, with the homeserver's refusal as its reason, when the log-in has ended. */
  get ended(): AbortSignal {
    return this.#end.signal
  }

  end(refusal: MatrixError): void {
    this.#end.abort(refusal)
  }
}

/** What people call the bot. Not worth a failure: it can be called by its id as well. */
async function displayNameOf({ client, userId }: SignedIn, signal: AbortSignal): Promise<string | undefined> {
  try {
    const call = { method: 'GET', path: path`/profile/${userId}` } as const
    return (await client.call(call, wire.profile, signal)).displayname
  } catch (error) {
    if (error instanceof NoAnswer || (error instanceof MatrixError && !error.deadToken)) return undefined
    throw error
  }
}
