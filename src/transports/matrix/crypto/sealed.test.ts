import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'
import {
  DeviceId,
  EncryptionSettings,
  initAsync,
  OlmMachine,
  RoomId,
  UserId,
  type ToDeviceRequest,
} from '@matrix-org/matrix-sdk-crypto-wasm'
import * as library from '@matrix-org/matrix-sdk-crypto-wasm'
import sharp from 'sharp'
import { EncryptedPerson } from '../../../../tests/support/encrypted-person.ts'
import { eventually } from '../../../../tests/support/eventually.ts'
import { MatrixPerson } from '../../../../tests/support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from '../../../../tests/support/synapse.ts'
import { freshName, TestBot } from '../bot.fake.ts'
import { MatrixClient } from '../client.ts'
import { picture } from '../picture.fake.ts'
import { Requests } from './requests.ts'

const missing = await whyNoSynapse()
const signal = AbortSignal.timeout(240_000)
const encryption = {
  type: 'm.room.encryption',
  state_key: '',
  content: { algorithm: 'm.megolm.v1.aes-sha2' },
}
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** An app that does with its keys what a test wants: keeps them, says other things than it should. */
class OddApp {
  readonly person: MatrixPerson
  readonly #olm: OlmMachine
  readonly #requests: Requests
  readonly #bot: string

  private constructor(person: MatrixPerson, olm: OlmMachine, requests: Requests, bot: string) {
    this.person = person
    this.#olm = olm
    this.#requests = requests
    this.#bot = bot
  }

  static async arrive(synapse: Synapse, name: string, bot: string): Promise<OddApp> {
    await initAsync()
    const person = await MatrixPerson.arrive(synapse, name)
    const { userId, deviceId, accessToken } = person.account
    const olm = await OlmMachine.initialize(new UserId(userId), new DeviceId(deviceId))
    const client = new MatrixClient(synapse.url, accessToken)
    const requests = new Requests({ library, olm, client: () => client, onDisk: async () => {}, log: silent })
    await olm.updateTrackedUsers([new UserId(bot)])
    await requests.pump(signal)
    return new OddApp(person, olm, requests, bot)
  }

  /** Says it with a new key, and does not give away the key: that is what it resolves with. */
  async sayWithoutKey(
    room: string,
    text: string,
    type = 'm.room.message',
    content: Readonly<Record<string, unknown>> = { msgtype: 'm.text', body: text },
  ): Promise<readonly ToDeviceRequest[]> {
    const claim = await this.#olm.getMissingSessions([new UserId(this.#bot)])
    if (claim !== undefined && claim !== null) await this.#requests.send(claim, signal)
    await this.#olm.invalidateGroupSession(new RoomId(room))
    const keys = await this.#olm.shareRoomKey(
      new RoomId(room),
      [new UserId(this.#bot)],
      new EncryptionSettings(),
    )
    const sealed = await this.#olm.encryptRoomEvent(new RoomId(room), type, JSON.stringify(content))
    await this.person.send(room, 'm.room.encrypted', JSON.parse(sealed))
    return keys
  }

  /** Sends once more what was encrypted last, as a homeserver can. */
  async replay(room: string): Promise<void> {
    const all = await this.person.timeline(room)
    const last = all.findLast(({ type, sender }) => type === 'm.room.encrypted' && sender === this.person.id)
    await this.person.send(room, 'm.room.encrypted', last?.content ?? {})
  }

  async hand(keys: readonly ToDeviceRequest[]): Promise<void> {
    for (const key of keys) await this.#requests.send(key, signal)
  }
}

describe('messages whose keys do not come', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  async function meet(t: TestContext) {
    const name = freshName('odd')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [`@${name}:hs.test`] })
    await bot.start()
    const app = await OddApp.arrive(synapse, name, bot.id)
    const room = await app.person.direct(bot.id, { initial_state: [encryption] })
    await app.person.waitForMembership(room, bot.id, 'join')
    return { bot, app, room }
  }

  const notices = async (app: OddApp, room: string, bot: string) =>
    (await app.person.timeline(room)).filter(
      ({ sender, type }) => sender === bot && type === 'm.room.encrypted',
    )

  test('they are read when the keys come, also after a restart', async (t) => {
    const { bot, app, room } = await meet(t)
    const first = await app.sayWithoutKey(room, 'first')
    await eventually(() => bot.logged(/cannot be decrypted yet/).length === 1)
    await app.hand(first)
    assert.equal((await bot.messages(1)).at(-1)?.text, 'first')
    const second = await app.sayWithoutKey(room, 'second')
    await eventually(() => bot.logged(/cannot be decrypted yet/).length === 2)
    await bot.start()
    await app.hand(second)
    assert.equal((await bot.messages(2)).at(-1)?.text, 'second')
    assert.deepEqual(bot.store.list('sealed:'), [])
  })

  test('the room is told once when they do not come for ten minutes, and they are still read later', async (t) => {
    const { bot, app, room } = await meet(t)
    const keys = [await app.sayWithoutKey(room, 'first'), await app.sayWithoutKey(room, 'second')]
    await eventually(() => bot.store.list('sealed:').length === 2)
    assert.deepEqual(await notices(app, room, bot.id), [])
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 11 * 60_000 })
    await app.person.setState(room, 'm.room.topic', { topic: 'time passes' })
    await eventually(async () => (await notices(app, room, bot.id)).length === 1, 'the notice')
    await app.person.setState(room, 'm.room.topic', { topic: 'and passes' })
    t.mock.timers.reset()
    for (const key of keys) await app.hand(key)
    const texts = (await bot.messages(2)).map(({ text }) => text)
    assert.deepEqual(texts, ['first', 'second'])
    // The doubt about the unsigned device is the other one.
    await eventually(async () => (await notices(app, room, bot.id)).length === 2, 'the doubt')
  })

  test("a stranger's messages without keys are not kept, and nobody is told", async (t) => {
    const { bot, app, room } = await meet(t)
    const stranger = await OddApp.arrive(synapse, freshName('stranger'), bot.id)
    await app.person.invite(room, stranger.person.id)
    await stranger.person.join(room)
    await stranger.sayWithoutKey(room, 'pwned')
    await eventually(() => bot.logged(/cannot be decrypted yet/).length === 1)
    await app.hand(await app.sayWithoutKey(room, 'mine'))
    await bot.messages(1)
    assert.deepEqual(bot.store.list('sealed:'), [])
  })

  test('what is taken back before its key has come is never read; only somebody who may talk to the bot can do that', async (t) => {
    const { bot, app, room } = await meet(t)
    const moderator = await MatrixPerson.arrive(synapse, freshName('moderator'))
    await app.person.invite(room, moderator.id)
    await moderator.join(room)
    await app.person.setState(room, 'm.room.power_levels', { users: { [moderator.id]: 50 } })
    const keys = [await app.sayWithoutKey(room, 'oops'), await app.sayWithoutKey(room, 'what I meant')]
    await eventually(() => bot.store.list('sealed:').length === 2)
    const [oops = '', meant = ''] = (await app.person.timeline(room))
      .filter(({ type, sender }) => type === 'm.room.encrypted' && sender === app.person.id)
      .map(({ event_id: id }) => id)
    await moderator.redact(room, meant)
    await app.person.redact(room, oops)
    await eventually(() => bot.store.list('sealed:').length === 1, 'the end of its waiting')
    for (const key of keys) await app.hand(key)
    const heard = await eventually(() => {
      const messages = bot.store.taken.filter((inbound) => inbound.kind === 'message')
      return messages.length > 0 && messages
    }, 'the other message')
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['what I meant'],
    )
  })

  test('an encrypted redaction takes nothing back: the homeserver could not judge it', async (t) => {
    const { bot, app, room } = await meet(t)
    await app.hand(await app.sayWithoutKey(room, 'mine'))
    const [message] = await bot.messages(1)
    await app.hand(await app.sayWithoutKey(room, '', 'm.room.redaction', { redacts: message?.id }))
    await eventually(() => bot.logged(/can never be decrypted/).length === 1)
    await app.hand(await app.sayWithoutKey(room, 'after it'))
    assert.deepEqual(
      (await bot.taken(2)).map(({ kind }) => kind),
      ['message', 'message'],
    )
  })

  test('what was encrypted once is read once, however often the homeserver sends it, also after a restart', async (t) => {
    const { bot, app, room } = await meet(t)
    await app.hand(await app.sayWithoutKey(room, 'transfer the money'))
    await bot.messages(1)
    await app.replay(room)
    await eventually(() => bot.logged(/a second time/).length === 1, 'the first replay')
    await bot.start()
    await app.replay(room)
    await eventually(() => bot.logged(/a second time/).length === 2, 'the second replay')
    // Before its key comes nobody knows what it is: both wait.
    const keys = await app.sayWithoutKey(room, 'and this')
    await app.replay(room)
    await eventually(() => bot.store.list('sealed:').length === 2)
    await app.hand(keys)
    await eventually(() => bot.logged(/a second time/).length === 3, 'the third replay')
    assert.deepEqual(
      (await bot.messages(2)).map(({ text }) => text),
      ['transfer the money', 'and this'],
    )
    assert.equal(bot.store.list('read:').length, 2)
  })

  test('what only looks encrypted holds up nothing', async (t) => {
    const { bot, app, room } = await meet(t)
    for (const content of [
      {},
      { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'x', session_id: 'y' },
      { algorithm: 'm.olm.v1.curve25519-aes-sha2', ciphertext: {}, sender_key: 'k' },
      { algorithm: 7, ciphertext: ['A'.repeat(40_000)] },
    ]) {
      await app.person.send(room, 'm.room.encrypted', content)
    }
    await app.hand(await app.sayWithoutKey(room, 'real'))
    assert.equal((await bot.messages(1)).at(-1)?.text, 'real')
  })

  test('files go both ways encrypted', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const room = await person.direct(bot.id)
    await person.waitForMember(room, bot.id)
    const bytes = randomBytes(100_000)
    const sealed = library.Attachment.encrypt(bytes)
    const info = JSON.parse(sealed.mediaEncryptionInfo ?? '')
    const { content_uri: url } = await person.client.uploadContent(
      new Blob([Buffer.from(sealed.encryptedData)]),
    )
    const file = {
      msgtype: 'm.file',
      body: 'secret.bin',
      file: { ...info, url },
      info: { size: bytes.length },
    }
    const { event_id: id } = await person.client.sendMessage(room, file as never)
    const answer = {
      msgtype: 'm.text',
      body: 'this one',
      'm.relates_to': { 'm.in_reply_to': { event_id: id } },
    }
    await person.client.sendMessage(room, answer as never)
    const [message, reply] = await bot.messages(2)
    for (const attachment of [message?.attachments?.[0], reply?.replyTo?.attachments?.[0]]) {
      assert.ok(attachment !== undefined && message !== undefined)
      const fetched = await bot.transport.fetch?.(attachment, message.place, signal)
      assert.deepEqual(await readFile(fetched?.path ?? ''), bytes)
    }

    const path = join(bot.home, 'answer.bin')
    await writeFile(path, bytes)
    const content = {
      kind: 'file',
      size: bytes.length,
      path,
      name: 'answer.bin',
      mimeType: 'application/octet-stream',
    }
    await bot.post(room, 'file', content)
    const event = await eventually(
      () =>
        person
          .events(room)
          .find((one) => one.getSender() === bot.id && one.getContent()['file'] !== undefined),
      'the file of the bot',
    )
    assert.deepEqual(await theirFile(person, event.getContent()['file'] as { url: string }), bytes)
  })

  test('a picture of an encrypted room has an encrypted thumbnail', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const room = await person.direct(bot.id)
    await person.waitForMember(room, bot.id)
    const path = join(bot.home, 'a.png')
    const bytes = await picture('png')
    await writeFile(path, bytes)
    const content = { kind: 'file', size: bytes.length, path, name: 'a.png', mimeType: 'image/png' }
    await bot.post(room, 'picture', content)
    const event = await eventually(
      () =>
        person
          .events(room)
          .find((one) => one.getSender() === bot.id && one.getContent()['file'] !== undefined),
      'the picture',
    )
    const { info, file } = event.getContent()
    assert.deepEqual(await theirFile(person, file), bytes)
    assert.equal(info.thumbnail_url, undefined)
    const small = await theirFile(person, info.thumbnail_file)
    const { mimetype, w, h, size } = info.thumbnail_info
    assert.deepEqual([mimetype, w, h, size], ['image/jpeg', 800, 600, small.length])
    assert.deepEqual([info.w, info.h, info.size], [2000, 1500, bytes.length])
    assert.equal((await sharp(small).metadata()).width, 800)
    assert.deepEqual(await readdir(join(bot.home, 'matrix_store', 'uploads')), [])
  })
})

/** What an app sees of an encrypted file; the homeserver has something else. */
async function theirFile(person: EncryptedPerson, file: { readonly url: string }): Promise<Buffer> {
  const http = person.client.mxcUrlToHttp(file.url, undefined, undefined, undefined, false, true, true) ?? ''
  const answer = await fetch(http, {
    headers: { authorization: `Bearer ${person.client.getAccessToken()}` },
  })
  const onServer = Buffer.from(await answer.arrayBuffer())
  const opened = library.Attachment.decrypt(new library.EncryptedAttachment(onServer, JSON.stringify(file)))
  assert.notDeepEqual(onServer, Buffer.from(opened))
  return Buffer.from(opened)
}
