import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'
import {
  CryptoEvent,
  VerificationPhase,
  type ShowSasCallbacks,
  type VerificationRequest,
} from 'matrix-js-sdk/lib/crypto-api/index.js'
import { Method } from 'matrix-js-sdk/lib/http-api/index.js'
import { EncryptedPerson } from '../../../../tests/support/encrypted-person.ts'
import { eventually } from '../../../../tests/support/eventually.ts'
import { startSynapse, whyNoSynapse } from '../../../../tests/support/synapse.ts'
import { freshName, TestBot } from '../bot.fake.ts'
import { MishapProxy } from '../proxy.fake.ts'
import { writeRecoveryKey } from './recovery-key.ts'

const missing = await whyNoSynapse()

type Bot = Awaited<ReturnType<typeof TestBot.arrive>>

interface Stage extends Disposable {
  readonly person: EncryptedPerson
  readonly bot: Bot
  readonly room: string
}

async function deviceOf(bot: TestBot): Promise<string> {
  return JSON.parse(await readFile(join(bot.home, 'matrix_store/credentials.json'), 'utf8')).device_id
}

/** Where both sides of a verification stand, for whoever waits in vain. */
function standing(request: VerificationRequest, bot: TestBot): string {
  const { phase, cancellationCode: code, verifier } = request
  const shows = verifier?.getShowSasCallbacks() === null ? 'no emoji' : 'emoji'
  const theirs = `the app: ${VerificationPhase[phase]} ${code ?? ''}, ${verifier === undefined ? 'no verifier' : shows}`
  const ours = bot
    .logged(/verification|verified/)
    .map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`)
  return `${theirs}; the bot: ${ours.join(', ')}`
}

function until<T>(look: () => T, what: string, request: VerificationRequest, bot: TestBot) {
  return eventually(look, () => `${what} (${standing(request, bot)})`)
}

/**
 * Goes on as the app does until there are emoji. As an app does, it keeps hold of the request all the time: the library
 * knows it only weakly, and would let go of it half-way.
 */
async function emojiOf(
  request: VerificationRequest,
  bot: TestBot,
  starts: boolean,
): Promise<ShowSasCallbacks> {
  await until(() => request.phase === VerificationPhase.Ready || request.verifier, 'readiness', request, bot)
  const verifier = starts
    ? await request.startVerification('m.sas.v1')
    : await until(() => request.verifier, 'the beginning of the comparison', request, bot)
  // How it ends is seen by the phase.
  verifier.verify().catch(() => {})
  return until(() => verifier.getShowSasCallbacks(), 'emoji', request, bot)
}

async function endOf(request: VerificationRequest, bot: TestBot, end: VerificationPhase): Promise<void> {
  const ends = [VerificationPhase.Done, VerificationPhase.Cancelled]
  await until(() => ends.includes(request.phase), 'the end of the comparison', request, bot)
  assert.equal(VerificationPhase[request.phase], VerificationPhase[end], standing(request, bot))
}

/** Goes on as the app's owner does who sees the same emoji. Resolves with the emoji. */
async function compare(request: VerificationRequest, bot: TestBot, starts: boolean): Promise<string> {
  const sas = await emojiOf(request, bot, starts)
  await sas.confirm()
  await endOf(request, bot, VerificationPhase.Done)
  return (sas.sas.emoji ?? []).map(([symbol]) => symbol).join(' ')
}

/** What the bot asks of this person. */
async function requestTo(person: EncryptedPerson, ask: () => Promise<unknown>): Promise<VerificationRequest> {
  let asked: VerificationRequest | undefined
  person.client.once(CryptoEvent.VerificationRequestReceived, (request) => (asked = request))
  await ask()
  return eventually(() => asked, 'the request of the bot')
}

/** One more chat, not encrypted: what goes over the wire there can be told apart. */
async function plainChat({ person, bot }: Pick<Stage, 'person' | 'bot'>): Promise<string> {
  const { room_id: room } = await person.client.createRoom({ is_direct: true, invite: [bot.id] })
  await person.waitForMember(room, bot.id)
  return room
}

async function toDevice(
  { client }: EncryptedPerson,
  kind: string,
  messages: Readonly<Record<string, unknown>>,
): Promise<void> {
  const where = `/sendToDevice/m.key.verification.${kind}/raw-${kind}`
  await client.http.authedRequest(Method.Put, where, undefined, { messages })
}

async function reads(person: EncryptedPerson, room: string, text: RegExp): Promise<string> {
  const said = () => person.events(room).map((event) => String(event.getContent()['body']))
  return eventually(
    () => said().find((body) => text.test(body)),
    () => `${text} among ${said().join(' | ')}`,
  )
}

function symbolsIn(text: string): string {
  return [...text.matchAll(/(\S+) [\w ]+(?:,|\.)/g)].map(([, symbol]) => symbol).join(' ')
}

describe('verifying the bot', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  /** A person, and a bot that has heard them in an encrypted chat. */
  async function meet(t: TestContext, matrix = {}): Promise<Stage> {
    const person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const block = { allowed_users: [person.id], ...matrix }
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), block)
    await bot.start()
    const room = await person.direct(bot.id)
    await person.waitForMember(room, bot.id)
    await person.say(room, 'hello')
    await bot.messages(1)
    return { person, bot, room, [Symbol.dispose]: () => person[Symbol.dispose]() }
  }

  test('a person verifies the bot from the app: both show the same emoji', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const room = await person.direct(bot.id)
    await person.waitForMember(room, bot.id)
    await person.say(room, 'hello')
    await bot.messages(1)
    const request = await person.crypto.requestVerificationDM(bot.id, room)
    const emoji = await compare(request, bot, true)
    const told = await person.hears(room, bot.id, /^Compare with your app/)
    assert.equal(symbolsIn(told.replace('Compare with your app: ', '')).slice(0, emoji.length), emoji)
    await person.hears(room, bot.id, /^Verified/)
    const status = await person.crypto.getUserVerificationStatus(bot.id)
    assert.equal(status.isCrossSigningVerified(), true)
    assert.equal((await bot.taken(1)).length, 1, 'none of it is a prompt')
  })

  test('the app may ask in the clear where everything else must be encrypted', async (t) => {
    using stage = await meet(t, { encryption: { trust: 'signed-devices' } })
    const { person, bot, room } = stage
    const request = await person.crypto.requestVerificationDM(bot.id, room)
    await (await emojiOf(request, bot, true)).confirm()
    await endOf(request, bot, VerificationPhase.Done)
    await person.hears(room, bot.id, /^Verified/)
    assert.deepEqual(bot.logged(/came unencrypted/), [])
  })

  test('a person verifies one device of the bot from the app', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const room = await person.direct(bot.id)
    await person.say(room, 'hello')
    const request = await person.crypto.requestDeviceVerification(bot.id, await deviceOf(bot))
    const emoji = await compare(request, bot, true)
    const [line] = await eventually(
      () => bot.logged(/emoji of a verification/).length > 0 && bot.logged(/emoji of a verification/),
    )
    assert.equal(symbolsIn(`${String(line?.fields['emoji'])}.`), emoji)
    const device = await deviceOf(bot)
    await eventually(
      async () => (await person.crypto.getDeviceVerificationStatus(bot.id, device))?.isVerified(),
      'the verified device',
    )
  })

  test('!verify lets the bot ask for a verification', async (t) => {
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    const room = await person.direct(bot.id)
    await person.waitForMember(room, bot.id)
    const request = await requestTo(person, () => person.say(room, '!verify'))
    await request.accept()
    await compare(request, bot, false)
    await person.hears(room, bot.id, /^Verified/)
    assert.equal((await person.crypto.getUserVerificationStatus(bot.id)).isCrossSigningVerified(), true)
    assert.deepEqual(bot.store.taken, [], 'none of it is a prompt')
  })

  test('/verify does the same, also after a call of the bot', async (t) => {
    using stage = await meet(t, synapse)
    const { person, bot, room } = stage
    const name = bot.id.slice(1, bot.id.indexOf(':'))
    for (const text of ['/verify', `${name}: !verify`, `${bot.id} /verify`]) {
      const request = await requestTo(person, () => person.say(room, text))
      assert.equal(request.roomId, room)
      await request.cancel()
    }
    assert.deepEqual(
      bot.store.taken.flatMap((one) => (one.kind === 'message' ? [one.text] : [])),
      ['hello'],
      'none of it is a prompt',
    )
  })

  test('the other session of the account can vouch for the bot', async (t) => {
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    const encoded = writeRecoveryKey(new Uint8Array(32).fill(9))
    using app = await EncryptedPerson.logIn(synapse, bot.id, 'correct horse', encoded)
    await app.crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (ask) => {
        await ask(null)
      },
    })
    await app.crypto.bootstrapSecretStorage({
      setupNewKeyBackup: true,
      createSecretStorageKey: async () => ({
        privateKey: new Uint8Array(32).fill(9),
        encodedPrivateKey: encoded,
      }),
    })
    await bot.start()
    assert.match(bot.reports.at(-1)?.detail ?? '', /verify this session from the other one/)
    const device = await deviceOf(bot)
    await eventually(
      async () => (await app.crypto.getUserDeviceInfo([bot.id])).get(bot.id)?.has(device),
      "the bot's device",
    )
    const request = await app.crypto.requestDeviceVerification(bot.id, device)
    await compare(request, bot, true)
    const nothingToDo = () =>
      bot.reports.at(-1)?.state === 'connected' && bot.reports.at(-1)?.detail === undefined
    await eventually(nothingToDo, 'nothing to be done any more')
    await bot.start()
    await eventually(nothingToDo, 'nothing to be done after a restart')
  })

  test('a stranger cannot verify the bot', async (t) => {
    using stranger = await EncryptedPerson.arrive(synapse, freshName('stranger'))
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [person.id] })
    await bot.start()
    await stranger.say(await stranger.direct(bot.id), 'hello')
    const request = await stranger.crypto.requestDeviceVerification(bot.id, await deviceOf(bot))
    const room = await person.direct(bot.id)
    await person.say(room, 'hello')
    await bot.messages(1)
    await person.say(room, 'hello again')
    await bot.messages(2)
    assert.notEqual(request.phase, VerificationPhase.Ready)
    assert.equal(bot.logged(/emoji/).length, 0)
  })

  for (const mishap of ['rate-limited', 'refused-connection', 'lost-answer'] as const) {
    test(`a verification in a room goes on after a ${mishap} at each of its steps`, async (t) => {
      const proxy = await MishapProxy.before(synapse.url)
      t.after(() => proxy.stop())
      proxy.retryAfterMs = 200
      using stage = await meet(t, { homeserver: proxy.url })
      const { person, bot } = stage
      const room = await plainChat(stage)
      const kinds = ['verification.ready', 'verification.accept', 'verification.key', 'verification.mac']
      proxy.failEach(mishap, [...kinds.map((kind) => `/send/m.key.${kind}`), '/send/m.room.message'])
      const request = await person.crypto.requestVerificationDM(bot.id, room)
      const emoji = await compare(request, bot, true)
      const told = await reads(person, room, /^Compare with your app/)
      assert.ok(symbolsIn(told.replace('Compare with your app: ', '')).startsWith(emoji))
      await reads(person, room, /^Verified/)
      assert.deepEqual(proxy.pending, [])
    })

    test(`a verification that the bot asks for goes on after a ${mishap} at each of its steps`, async (t) => {
      const proxy = await MishapProxy.before(synapse.url)
      t.after(() => proxy.stop())
      proxy.retryAfterMs = 200
      using stage = await meet(t, { homeserver: proxy.url })
      const { person, bot } = stage
      const room = await plainChat(stage)
      const kinds = ['room.message', 'key.verification.start', 'key.verification.key', 'key.verification.mac']
      proxy.failEach(
        mishap,
        kinds.map((kind) => `/send/m.${kind}`),
      )
      const request = await requestTo(person, () => person.say(room, '!verify'))
      await request.accept()
      await compare(request, bot, false)
      await reads(person, room, /^Verified/)
      assert.deepEqual(proxy.pending, [])
    })

    test(`a verification between devices goes on after a ${mishap} at each of its steps`, async (t) => {
      const proxy = await MishapProxy.before(synapse.url)
      t.after(() => proxy.stop())
      proxy.retryAfterMs = 200
      using stage = await meet(t, { homeserver: proxy.url })
      const { person, bot } = stage
      const kinds = ['ready', 'accept', 'key', 'mac']
      proxy.failEach(
        mishap,
        kinds.map((kind) => `/sendToDevice/m.key.verification.${kind}`),
      )
      await compare(await person.crypto.requestDeviceVerification(bot.id, await deviceOf(bot)), bot, true)
      assert.deepEqual(proxy.pending, [])
    })
  }

  test('a person whose verification the homeserver refuses to carry is told, and does not wait', async (t) => {
    const proxy = await MishapProxy.before(synapse.url)
    t.after(() => proxy.stop())
    using stage = await meet(t, { homeserver: proxy.url })
    const { person, bot } = stage
    const room = await plainChat(stage)
    proxy.failNext('forbidden', '/send/m.key.verification.accept')
    const request = await person.crypto.requestVerificationDM(bot.id, room)
    await until(() => request.phase === VerificationPhase.Ready, 'readiness', request, bot)
    const verifier = await request.startVerification('m.sas.v1')
    verifier.verify().catch(() => {})
    await endOf(request, bot, VerificationPhase.Cancelled)
    await reads(person, room, /refused a message of the verification.*nothing is verified/)
  })

  test('a restart in the middle of a verification ends it with a word, and the next one succeeds', async (t) => {
    using stage = await meet(t)
    const { person, bot, room } = stage
    const request = await person.crypto.requestVerificationDM(bot.id, room)
    const sas = await emojiOf(request, bot, true)
    await bot.start()
    await sas.confirm()
    await endOf(request, bot, VerificationPhase.Cancelled)
    assert.equal(request.cancellationCode, 'm.unknown_transaction')
    await person.hears(room, bot.id, /^The verification broke off on my side/)
    await compare(await person.crypto.requestVerificationDM(bot.id, room), bot, true)
    await person.hears(room, bot.id, /^Verified/)
    await bot.start()
    await bot.post(room, 'k', { msgtype: 'm.text', body: 'the end' })
    await person.hears(room, bot.id, 'the end')
    const told = person.heard(room, bot.id).filter((text) => text.includes('broke off'))
    assert.equal(told.length, 1, 'what has ended is not told again')
  })

  test('a restart ends a verification between devices as well', async (t) => {
    using stage = await meet(t)
    const { person, bot, room } = stage
    const request = await person.crypto.requestDeviceVerification(bot.id, await deviceOf(bot))
    await until(() => request.phase === VerificationPhase.Ready, 'readiness', request, bot)
    await bot.start()
    await endOf(request, bot, VerificationPhase.Cancelled)
    await person.hears(room, bot.id, /^The verification broke off on my side/)
  })

  test('two people verify the bot at the same time', async (t) => {
    using one = await EncryptedPerson.arrive(synapse, freshName('person'))
    using other = await EncryptedPerson.arrive(synapse, freshName('person'))
    const people = [one, other]
    const allowed = { allowed_users: people.map(({ id }) => id) }
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), allowed)
    await bot.start()
    const verify = async (person: EncryptedPerson) => {
      const room = await person.direct(bot.id)
      await person.waitForMember(room, bot.id)
      await person.say(room, 'hello')
      const request = await person.crypto.requestVerificationDM(bot.id, room)
      const emoji = await compare(request, bot, true)
      const told = await person.hears(room, bot.id, /^Compare with your app/)
      assert.ok(symbolsIn(told.replace('Compare with your app: ', '')).startsWith(emoji))
      await person.hears(room, bot.id, /^Verified/)
    }
    await Promise.all(people.map(verify))
  })

  test('a person whose app calls it done before it has shown its keys is not verified', async (t) => {
    using stage = await meet(t)
    const { person, bot } = stage
    const room = await plainChat(stage)
    const request = await person.crypto.requestVerificationDM(bot.id, room)
    await emojiOf(request, bot, true)
    const done = { 'm.relates_to': { rel_type: 'm.reference', event_id: request.transactionId } }
    const { http } = person.client
    const where = `/rooms/${encodeURIComponent(room)}/send/m.key.verification.done/early`
    await http.authedRequest(Method.Put, where, undefined, done)
    await reads(person, room, /^The verification was cancelled: nothing is verified/)
    await endOf(request, bot, VerificationPhase.Cancelled)
    await person.say(room, 'and now?')
    await bot.messages(2)
    assert.deepEqual(
      bot.logged(/a verification has ended/).map(({ fields }) => fields['done']),
      [false],
    )
  })

  test("somebody else's verification of the same name does not keep the end of one from being told", async (t) => {
    using other = await EncryptedPerson.arrive(synapse, freshName('person'))
    using person = await EncryptedPerson.arrive(synapse, freshName('person'))
    const allowed = { allowed_users: [person.id, other.id] }
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), allowed)
    await bot.start()
    const room = await person.direct(bot.id)
    await person.waitForMember(room, bot.id)
    await person.say(room, 'hello')
    const request = await person.crypto.requestVerificationDM(bot.id, room)
    const sas = await emojiOf(request, bot, true)
    const device = await deviceOf(bot)
    const name = { transaction_id: request.transactionId }
    const own = { from_device: other.client.getDeviceId(), methods: ['m.sas.v1'], timestamp: Date.now() }
    await toDevice(other, 'request', { [bot.id]: { [device]: { ...own, ...name } } })
    await toDevice(other, 'cancel', { [bot.id]: { [device]: { ...name, code: 'm.user', reason: 'no' } } })
    await eventually(
      () => bot.logged(/a verification has ended/).some(({ fields }) => fields['user'] === other.id),
      'the end of the other one',
    )
    await sas.confirm()
    await endOf(request, bot, VerificationPhase.Done)
    await person.hears(room, bot.id, /^Verified/)
  })

  test('two verifications with one person at the same time end both with a word', async (t) => {
    using stage = await meet(t)
    const { person, bot, room } = stage
    const first = await person.crypto.requestVerificationDM(bot.id, room)
    await until(() => first.phase === VerificationPhase.Ready, 'readiness', first, bot)
    const second = await person.crypto.requestVerificationDM(bot.id, room)
    await endOf(first, bot, VerificationPhase.Cancelled)
    await endOf(second, bot, VerificationPhase.Cancelled)
    await person.hears(room, bot.id, /^The verification was cancelled: nothing is verified/)
  })

  test('both begin to compare at once: one of the two beginnings counts', async (t) => {
    using stage = await meet(t)
    const { person, bot, room } = stage
    const request = await requestTo(person, () => person.say(room, '!verify'))
    await request.accept()
    await compare(request, bot, true)
    await person.hears(room, bot.id, /^Verified/)
  })

  test('a person may begin to compare before the bot does that has asked', async (t) => {
    const proxy = await MishapProxy.before(synapse.url)
    t.after(() => proxy.stop())
    using stage = await meet(t, { homeserver: proxy.url })
    const { person, bot, room } = stage
    const request = await requestTo(person, () => person.say(room, '!verify'))
    proxy.deaf = 'empty'
    // It ends the sync that was on its way before.
    await person.say(room, 'just a moment')
    await eventually(() => proxy.emptied > 0, 'a sync that brings nothing')
    await request.accept()
    await request.startVerification('m.sas.v1')
    proxy.deaf = undefined
    await compare(request, bot, false)
    await person.hears(room, bot.id, /^Verified/)
  })

  test('a person who sees other emoji is told what that means', async (t) => {
    using stage = await meet(t)
    const { person, bot, room } = stage
    const request = await person.crypto.requestVerificationDM(bot.id, room)
    const sas = await emojiOf(request, bot, true)
    sas.mismatch()
    await person.hears(room, bot.id, /does not match: somebody may stand between us/)
    await endOf(request, bot, VerificationPhase.Cancelled)
    assert.equal((await person.crypto.getUserVerificationStatus(bot.id)).isVerified(), false)
  })

  test('a verification that nobody goes on with for ten minutes ends with a word', async (t) => {
    using stage = await meet(t)
    const { person, bot, room } = stage
    const request = await requestTo(person, () => person.say(room, '!verify'))
    assert.equal(request.phase, VerificationPhase.Requested)
    await person.hears(room, bot.id, /^I have asked for a verification/)
    const now = performance.now.bind(performance)
    t.mock.method(performance, 'now', () => now() + 11 * 60_000)
    await person.say(room, 'what was that again?')
    await person.hears(room, bot.id, /^The verification took too long/)
  })
})
