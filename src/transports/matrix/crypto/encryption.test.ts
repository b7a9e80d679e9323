import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { cp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'
import { EncryptedPerson } from '../../../../tests/support/encrypted-person.ts'
import { eventually } from '../../../../tests/support/eventually.ts'
import { startSynapse, whyNoSynapse, type Synapse } from '../../../../tests/support/synapse.ts'
import { FatalError } from '../../../core/transport.ts'
import { freshName, TestBot } from '../bot.fake.ts'

const missing = await whyNoSynapse()

type Bot = Awaited<ReturnType<typeof TestBot.arrive>>

interface Stage extends Disposable {
  readonly person: EncryptedPerson
  readonly bot: Bot
  readonly room: string
}

/** A person, and a bot that is in an encrypted chat with them. */
async function meet(
  t: TestContext,
  synapse: Synapse,
  matrix: Readonly<Record<string, unknown>> = {},
): Promise<Stage> {
  const person = await EncryptedPerson.arrive(synapse, freshName('person'))
  const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id], ...matrix })
  await bot.start()
  const room = await person.direct(bot.id)
  await person.waitForMember(room, bot.id)
  return { person, bot, room, [Symbol.dispose]: () => person[Symbol.dispose]() }
}

async function talk({ person, bot, room }: Stage, text: string): Promise<void> {
  const before = bot.store.taken.length
  await person.say(room, text)
  await eventually(
    () => bot.store.taken.slice(before).some((one) => one.kind === 'message' && one.text === text),
    text,
  )
  await bot.post(room, `answer to ${text}`, say(`heard: ${text}`))
  await person.hears(room, bot.id, `heard: ${text}`)
}

function say(body: string): Readonly<Record<string, unknown>> {
  return { msgtype: 'm.text', body }
}

/** As an app without encryption does, or a homeserver in the name of a person. */
async function inTheClear(
  { client }: EncryptedPerson,
  room: string,
  content: Readonly<Record<string, unknown>>,
  type = 'm.room.message',
): Promise<void> {
  const where = `rooms/${encodeURIComponent(room)}/send/${type}/${randomUUID()}`
  const answer = await fetch(`${client.baseUrl}/_matrix/client/v3/${where}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${client.getAccessToken()}` },
    body: JSON.stringify(content),
  })
  assert.equal(answer.status, 200)
}

function folderOf(bot: TestBot): string {
  return join(bot.home, 'matrix_store/crypto')
}

async function deviceOf(bot: TestBot): Promise<string> {
  return JSON.parse(await readFile(join(bot.home, 'matrix_store/credentials.json'), 'utf8')).device_id
}

async function refusedStart(bot: TestBot, why: RegExp): Promise<void> {
  await bot.launch()
  await assert.rejects(bot.listening, (error) => {
    assert.ok(error instanceof FatalError)
    assert.match(error.message, why)
    return true
  })
}

describe('encrypted rooms', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  test('an encrypted chat that a person begins: the first message is read, and answered encrypted', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const room = await person.direct(bot.id)
    await person.say(room, 'hello')
    const [message] = await bot.messages(1)
    assert.equal(message?.text, 'hello')
    await bot.post(room, 'k', say('hello yourself'))
    await person.hears(room, bot.id, 'hello yourself')
  })

  test('after a restart the bot is the same device and reads what was said meanwhile', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    await talk(stage, 'one')
    const device = await deviceOf(bot)
    await bot.stop()
    await person.say(room, 'two')
    await bot.start()
    await bot.messages(2)
    await talk(stage, 'three')
    assert.equal(await deviceOf(bot), device)
  })

  test('an app that talks only with signed devices talks with the bot, from the first message on', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    person.excludeUnsigned()
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const room = await person.direct(bot.id)
    await talk({ person, bot, room, [Symbol.dispose]() {} }, 'careful')
    const device = await person.crypto.getDeviceVerificationStatus(bot.id, await deviceOf(bot))
    assert.equal(device?.signedByOwner, true)
  })

  test("a person's new device is read, and the room is told once that nobody vouches for it", async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    await talk(stage, 'from the old one')
    using other = await person.onAnotherDevice(synapse)
    await eventually(
      () => other.client.getRoom(room)?.hasEncryptionStateEvent(),
      'the room on the other device',
    )
    await other.say(room, 'from the new one')
    await other.say(room, 'once more')
    await bot.messages(3)
    await person.hears(room, bot.id, /is not verified by its owner: I cannot be sure/)
    await bot.post(room, 'k', say('to both'))
    await other.hears(room, bot.id, 'to both')
    const told = person.heard(room, bot.id).filter((text) => /not verified by its owner/.test(text))
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', new RegExp(`session ${other.client.getDeviceId()} of ${person.id}`))
  })

  test('with trust for signed devices alone, a device that nobody vouches for is not read, and told so', async (t) => {
    using stage = await meet(t, synapse, { encryption: { trust: 'signed-devices' } })
    const { person, bot, room } = stage
    await talk(stage, 'from the old one')
    using other = await person.onAnotherDevice(synapse)
    await eventually(
      () => other.client.getRoom(room)?.hasEncryptionStateEvent(),
      'the room on the other device',
    )
    await other.say(room, 'from the new one')
    await person.hears(room, bot.id, /I do not read what it says \(matrix\.encryption\.trust\)/)
    await talk(stage, 'from the old one again')
    const texts = bot.store.taken.map((one) => (one.kind === 'message' ? one.text : ''))
    assert.deepEqual(texts, ['from the old one', 'from the old one again'])
  })

  test('what comes unencrypted into an encrypted room is read, and the room is told once', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    await talk(stage, 'encrypted')
    await inTheClear(person, room, say('in the clear'))
    await inTheClear(person, room, say('in the clear again'))
    await bot.messages(3)
    await person.hears(room, bot.id, /came unencrypted.*I cannot be sure who wrote it/)
    await talk(stage, 'and on')
    assert.equal(person.heard(room, bot.id).filter((text) => /came unencrypted/.test(text)).length, 1)
  })

  test('with trust for signed devices alone, it is not: what the homeserver could have written commands nobody', async (t) => {
    using stage = await meet(t, synapse, { encryption: { trust: 'signed-devices' }, choices: 'polls' })
    const { person, bot, room } = stage
    const id = await person.say(room, 'mine')
    await bot.messages(1)
    const choices = ['Allow', 'Deny'].map((label) => ({ token: label, label }))
    const [question = {}] = bot.transport.render({ state: 'ended', parts: [], choices })
    const poll = await bot.post(room, 'poll', question)
    const response = 'org.matrix.msc3381.poll.response'
    await bot.stop()
    await inTheClear(person, room, say('pwned'))
    await inTheClear(person, room, { ...say('pwned, as a notice'), msgtype: 'm.notice' })
    const edit = { 'm.new_content': say('pwned'), 'm.relates_to': { rel_type: 'm.replace', event_id: id } }
    await inTheClear(person, room, { ...say('* pwned'), msgtype: 'm.notice', ...edit })
    const vote = { rel_type: 'm.reference', event_id: poll }
    await inTheClear(person, room, { 'm.relates_to': vote, [response]: { answers: ['1'] } }, response)
    const press = { rel_type: 'm.annotation', event_id: poll, key: '1\u20E3' }
    await inTheClear(person, room, { 'm.relates_to': press }, 'm.reaction')
    // It is no way out to call the room newly encrypted.
    const algorithm = { algorithm: 'm.megolm.v1.aes-sha2', rotation_period_msgs: 7 }
    await person.client.sendStateEvent(room, 'm.room.encryption' as never, algorithm as never, '')
    await bot.start()
    await person.hears(room, bot.id, /came unencrypted.*so I do not read it/)
    await talk(stage, 'mine again')
    const plain = person.events(room).find((event) => event.getWireContent()['body'] === 'pwned')
    const relation = { 'm.in_reply_to': { event_id: plain?.getId() } }
    await person.client.sendEvent(
      room,
      'm.room.message' as never,
      { ...say('who was that?'), 'm.relates_to': relation } as never,
    )
    const [, , quoting] = await bot.messages(3)
    assert.deepEqual(quoting?.replyTo, { messageId: plain?.getId() }, 'it is not quoted either')
    assert.deepEqual(
      bot.store.taken.map((one) => (one.kind === 'message' ? one.text : one.kind)),
      ['mine', 'mine again', 'who was that?'],
    )
    await person.client.sendEvent(
      room,
      response as never,
      {
        'm.relates_to': vote,
        [response]: { answers: ['1'] },
      } as never,
    )
    const [, , , pressed] = await bot.taken(4)
    assert.ok(pressed?.kind === 'press')
    assert.deepEqual(pressed.pressed, { messageId: poll, number: 1 })
  })

  test('what was said before a room turned encryption on is read, whatever is trusted', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const matrix = { allowed_users: [person.id], encryption: { trust: 'signed-devices' } }
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), matrix)
    await bot.start()
    const { room_id: room } = await person.client.createRoom({ invite: [bot.id], is_direct: true })
    await person.waitForMember(room, bot.id)
    await bot.stop()
    await inTheClear(person, room, say('before'))
    const algorithm = { algorithm: 'm.megolm.v1.aes-sha2' }
    await person.client.sendStateEvent(room, 'm.room.encryption' as never, algorithm as never, '')
    await inTheClear(person, room, say('after'))
    await bot.start()
    await eventually(() => bot.logged(/came unencrypted/).length === 1)
    assert.deepEqual(
      (await bot.messages(1)).map(({ text }) => text),
      ['before'],
    )
  })

  test('after a soft log-out the bot is the same device, with the same keys', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    await talk(stage, 'one')
    const device = await deviceOf(bot)
    await synapse.expireTokens(bot.id)
    await eventually(
      () => bot.logged(/logged in to Matrix with the password/).length === 2,
      'the second log-in',
      60_000,
    )
    await person.say(room, 'two')
    await bot.messages(2)
    await talk(stage, 'three')
    assert.equal(await deviceOf(bot), device)
    assert.deepEqual(bot.logged(/put aside|cannot be decrypted/), [])
  })

  test('a device that was removed is replaced: its keys are put aside, the new one is vouched for and reads what is old', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    person.excludeUnsigned()
    await talk(stage, 'an old secret')
    const old =
      person
        .events(room)
        .find((event) => event.getContent()['body'] === 'an old secret')
        ?.getId() ?? ''
    const device = await deviceOf(bot)
    await eventually(async () => (await counts(bot)) > 0, 'the backup')
    await synapse.endSessions(bot.id)
    await eventually(async () => (await deviceOf(bot)) !== device, 'another device', 60_000)
    await eventually(() => bot.reports.at(-1)?.state === 'connected', 'the connection of the new device')
    const folders = await readdir(join(bot.home, 'matrix_store'))
    assert.ok(folders.includes(`crypto-old-${device}`), folders.join(', '))
    assert.equal(bot.reports.at(-1)?.detail, undefined)

    const replacement = await deviceOf(bot)
    await eventually(
      async () => (await person.crypto.getUserDeviceInfo([bot.id], true)).get(bot.id)?.has(replacement),
      'the new device',
    )
    const status = await person.crypto.getDeviceVerificationStatus(bot.id, replacement)
    assert.equal(status?.signedByOwner, true)
    await person.client.sendMessage(room, {
      ...say('what was that?'),
      'm.relates_to': { 'm.in_reply_to': { event_id: old } },
    } as never)
    const answer = await eventually(
      () => bot.store.taken.find((one) => one.kind === 'message' && one.text === 'what was that?'),
      'the reply',
    )
    assert.ok(answer.kind === 'message')
    assert.equal(answer.replyTo?.text, 'an old secret')
  })

  /** Room keys in the backup of the bot's account. */
  async function counts(bot: Bot): Promise<number> {
    const { access_token: token } = JSON.parse(
      await readFile(join(bot.home, 'matrix_store/credentials.json'), 'utf8'),
    )
    const answer = await fetch(`${synapse.url}/_matrix/client/v3/room_keys/version`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const { count } = (await answer.json()) as { count: number }
    return count
  }

  test('without the recovery key a new device says what it needs, and with it it is vouched for', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    await talk(stage, 'one')
    const device = await deviceOf(bot)
    const file = join(bot.home, 'matrix_store/recovery-key.txt')
    const text = await readFile(file, 'utf8')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await rm(file)
    await synapse.endSessions(bot.id)
    await eventually(async () => (await deviceOf(bot)) !== device, 'another device', 60_000)
    await bot.waitForReport('connected', /not verified.*matrix\.encryption\.recovery_key/)
    await person.say(room, 'two')
    await bot.messages(2)

    const key = text.split('\n').find((line) => line !== '' && !line.startsWith('#')) ?? ''
    bot.configure({ encryption: { recovery_key: key } })
    await bot.start()
    assert.equal(bot.reports.at(-1)?.detail, undefined)
    assert.doesNotMatch(JSON.stringify([bot.log, bot.reports]), new RegExp(key.slice(0, 14)))
  })

  test('keys that were copied back from an older copy are refused', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    await bot.stop()
    await cp(folderOf(bot), join(bot.home, 'backup'), { recursive: true })
    await bot.start()
    await talk(stage, 'one')
    await bot.stop()
    await rename(folderOf(bot), join(bot.home, 'newest'))
    await cp(join(bot.home, 'backup'), folderOf(bot), { recursive: true })
    await refusedStart(bot, /are an older copy.*rename the folder/)

    await rm(folderOf(bot), { recursive: true })
    await rename(join(bot.home, 'newest'), folderOf(bot))
    await bot.start()
    await person.say(room, 'two')
    await bot.messages(2)
  })

  test('a whole home that was copied back from an older copy is refused', async (t) => {
    using stage = await meet(t, synapse)
    const { bot } = stage
    await bot.stop()
    const memory = bot.store.recall('crypto')
    await cp(folderOf(bot), join(bot.home, 'backup'), { recursive: true })
    await bot.start()
    await talk(stage, 'one')
    await bot.start()
    await bot.stop()
    await rm(folderOf(bot), { recursive: true })
    await cp(join(bot.home, 'backup'), folderOf(bot), { recursive: true })
    bot.store.remember({ crypto: memory ?? null })
    await refusedStart(bot, /are an older copy/)
  })

  test('keys that are lost, or those of another device, are refused and never replaced in silence', async (t) => {
    using stage = await meet(t, synapse)
    const { bot } = stage
    await talk(stage, 'one')
    await bot.stop()
    await rename(folderOf(bot), join(bot.home, 'away'))
    await refusedStart(bot, /are not in .* any more.*Put the folder back/)
    bot.store.remember({ crypto: null })
    await refusedStart(bot, /are not in .* any more/)

    const other = await TestBot.arrive(t, synapse, freshName('bot'))
    await other.start()
    await other.stop()
    await cp(folderOf(other), folderOf(bot), { recursive: true })
    await refusedStart(bot, /cannot be opened|are not those that the homeserver knows/)

    await rm(folderOf(bot), { recursive: true })
    await rename(join(bot.home, 'away'), folderOf(bot))
    await rm(join(folderOf(bot), 'store.key'))
    await refusedStart(bot, /store\.key is missing or damaged/)
  })

  test('a room that turns encryption on is encrypted for the bot from then on, whatever the room says later', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const { room_id: room } = await person.client.createRoom({ invite: [bot.id], is_direct: true })
    await person.waitForMember(room, bot.id)
    await bot.post(room, 'k1', say('in the clear'))
    await eventually(() => person.events(room).some((event) => event.getContent()['body'] === 'in the clear'))
    const encryption = 'm.room.encryption' as never
    await person.client.sendStateEvent(room, encryption, { algorithm: 'm.megolm.v1.aes-sha2' } as never, '')
    await eventually(() => person.client.getRoom(room)?.hasEncryptionStateEvent(), 'the encryption')
    await person.say(room, 'secret')
    await bot.messages(1)
    await bot.post(room, 'k2', say('secret, too'))
    await person.hears(room, bot.id, 'secret, too')
    await person.client.sendStateEvent(room, encryption, {} as never, '')
    await person.say(room, 'still secret')
    await bot.messages(2)
    await bot.start()
    await bot.post(room, 'k3', say('still secret, too'))
    await person.hears(room, bot.id, 'still secret, too')
  })

  test('an edit is encrypted, and its relation stands where the homeserver sees it', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    await talk(stage, 'one')
    const ref = await bot.post(room, 'k', say('first'))
    const place = { key: 'mx:0', transport: 'matrix', chat: room }
    await bot.deliver({ type: 'edit', place, content: say('second'), key: 'e', ref })
    const edited = await eventually(
      () => person.events(room).find((event) => event.getId() === ref),
      'the event',
    )
    await eventually(() => edited.getContent()['body'] === 'second', 'the edit')
    assert.ok(edited.isEncrypted())
  })

  test('the same post is the same event, and its ciphertext is stored before it is sent', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    await talk(stage, 'one')
    const ref = await bot.post(room, 'again', say('only once'))
    assert.equal(await bot.post(room, 'again', say('only once')), ref)
    await bot.start()
    assert.equal(await bot.post(room, 'again', say('only once')), ref)
    await person.hears(room, bot.id, 'only once')
    assert.equal(person.heard(room, bot.id).filter((text) => text === 'only once').length, 1)
  })
})
