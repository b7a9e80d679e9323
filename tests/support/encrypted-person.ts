import { createClient, type MatrixClient, type MatrixEvent } from 'matrix-js-sdk'
import {
  decodeRecoveryKey,
  OnlySignedDevicesIsolationMode,
  type CryptoApi,
  type CryptoCallbacks,
} from 'matrix-js-sdk/lib/crypto-api/index.js'
import { logger } from 'matrix-js-sdk/lib/logger.js'
import { eventually } from './eventually.ts'
import type { Synapse } from './synapse.ts'

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, getChild: () => silent }
// It has one of its own beside that of the client.
if ('setLevel' in logger && typeof logger.setLevel === 'function') logger.setLevel('silent')
logger.getChild = () => silent

function asking(recoveryKey: string): CryptoCallbacks {
  return {
    getSecretStorageKey: async ({ keys }) => {
      const [id = ''] = Object.keys(keys)
      return [id, decodeRecoveryKey(recoveryKey)]
    },
    cacheSecretStorageKey() {},
  }
}

/** A person with an app like Element: the same library, the same cryptography, its keys in memory. */
export class EncryptedPerson implements Disposable {
  readonly id: string
  readonly client: MatrixClient
  readonly #password: string

  private constructor(client: MatrixClient, password: string) {
    this.id = client.getSafeUserId()
    this.client = client
    this.#password = password
  }

  /** Makes an account with an identity of its own, as the app does at the first log-in. */
  static async arrive(synapse: Synapse, name: string): Promise<EncryptedPerson> {
    const password = `password of ${name}`
    await synapse.register(name, password)
    const person = await EncryptedPerson.logIn(synapse, name, password)
    await person.crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (ask) => {
        await ask(null)
      },
    })
    return person
  }

  /** The same person on another device, which nobody has verified. */
  async onAnotherDevice(synapse: Synapse): Promise<EncryptedPerson> {
    return EncryptedPerson.logIn(synapse, this.id, this.#password)
  }

  /** Another app of an account, with its recovery key where a person types it in. */
  static async logIn(
    synapse: Synapse,
    name: string,
    password: string,
    recoveryKey?: string,
  ): Promise<EncryptedPerson> {
    const { userId, deviceId, accessToken } = await synapse.login(name, password)
    const own = { baseUrl: synapse.url, userId, deviceId, accessToken, logger: silent }
    const cryptoCallbacks = recoveryKey === undefined ? {} : asking(recoveryKey)
    const client = createClient({ ...own, cryptoCallbacks })
    await client.initRustCrypto({ useIndexedDB: false })
    await client.startClient({ initialSyncLimit: 50 })
    await eventually(() => client.isInitialSyncComplete(), `the first sync of ${name}`)
    return new EncryptedPerson(client, password)
  }

  get crypto(): CryptoApi {
    const crypto = this.client.getCrypto()
    if (crypto === undefined) throw new Error('the client has no encryption')
    return crypto
  }

  /** Talks only with devices that their owners have signed, as apps will by default. */
  excludeUnsigned(): void {
    this.crypto.setDeviceIsolationMode(new OnlySignedDevicesIsolationMode())
  }

  /** Begins an encrypted chat for two, as apps do. */
  async direct(user: string): Promise<string> {
    const algorithm = 'm.megolm.v1.aes-sha2'
    const { room_id: room } = await this.client.createRoom({
      is_direct: true,
      invite: [user],
      initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm } }],
    })
    // What the app shows before somebody can write: the keys go to whom it knows to be there.
    await eventually(() => {
      const known = this.client.getRoom(room)
      return known?.hasEncryptionStateEvent() === true && known.getMember(user) !== null
    }, 'the encrypted room')
    return room
  }

  /** Resolves with the event's id. */
  async say(room: string, text: string): Promise<string> {
    return (await this.client.sendTextMessage(room, text)).event_id
  }

  events(room: string): readonly MatrixEvent[] {
    return this.client.getRoom(room)?.getLiveTimeline().getEvents() ?? []
  }

  /** What `sender` said there that this app could decrypt, oldest first. */
  heard(room: string, sender: string): readonly string[] {
    return this.events(room)
      .filter((event) => event.getSender() === sender && event.getType() === 'm.room.message')
      .filter((event) => !event.isDecryptionFailure() && event.isEncrypted())
      .map((event) => String(event.getContent()['body']))
  }

  /** Waits until `sender` has said it, encrypted. */
  async hears(room: string, sender: string, text: string | RegExp): Promise<string> {
    const is = (body: string) => (typeof text === 'string' ? body === text : text.test(body))
    return eventually(() => this.heard(room, sender).find(is), `“${text}” from ${sender}`)
  }

  async waitForMember(room: string, user: string): Promise<void> {
    await eventually(
      () => this.client.getRoom(room)?.getMember(user)?.membership === 'join',
      `${user} in ${room}`,
    )
  }

  [Symbol.dispose](): void {
    this.client.stopClient()
  }
}
