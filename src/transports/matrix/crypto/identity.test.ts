import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  CryptoEvent,
  VerificationPhase,
  type VerificationRequest,
} from 'matrix-js-sdk/lib/crypto-api/index.js'
import { EncryptedPerson } from '../../../../tests/support/encrypted-person.ts'
import { eventually } from '../../../../tests/support/eventually.ts'
import { startSynapse, whyNoSynapse } from '../../../../tests/support/synapse.ts'
import { freshName, TestBot } from '../bot.fake.ts'
import { MishapProxy } from '../proxy.fake.ts'
import { writeRecoveryKey } from './recovery-key.ts'

const missing = await whyNoSynapse()

async function recoveryKeyOf(bot: TestBot): Promise<string> {
  const text = await readFile(join(bot.home, 'matrix_store/recovery-key.txt'), 'utf8')
  return text.split('\n').find((line) => line !== '' && !line.startsWith('#')) ?? ''
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

/**
 * Goes on with the verification as the app's owner does who sees the same emoji. Resolves with the emoji. As an app
 * does, it keeps hold of the request all the time: the library knows it only weakly, and would let go of it half-way.
 */
async function compare(request: VerificationRequest, bot: TestBot, starts: boolean): Promise<string> {
  const until = <T>(look: () => T, what: string) =>
    eventually(look, () => `${what} (${standing(request, bot)})`)
  await until(() => request.phase === VerificationPhase.Ready || request.verifier, 'readiness')
  const verifier = starts
    ? await request.startVerification('m.sas.v1')
    : await until(() => request.verifier, 'the beginning of the comparison')
  // How it ends is seen by the phase.
  verifier.verify().catch(() => {})
  const sas = await until(() => verifier.getShowSasCallbacks(), 'emoji')
  await sas.confirm()
  const ends = [VerificationPhase.Done, VerificationPhase.Cancelled]
  await until(() => ends.includes(request.phase), 'the end of the comparison')
  assert.equal(request.phase, VerificationPhase.Done, standing(request, bot))
  return (sas.sas.emoji ?? []).map(([symbol]) => symbol).join(' ')
}

function symbolsIn(text: string): string {
  return [...text.matchAll(/(\S+) [\w ]+(?:,|\.)/g)].map(([, symbol]) => symbol).join(' ')
}

describe('the identity of the bot', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  test('another app opens the secret storage of the bot with the recovery key', async (t) => {
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    await bot.start()
    using app = await EncryptedPerson.logIn(synapse, bot.id, 'correct horse', await recoveryKeyOf(bot))
    await app.crypto.userHasCrossSigningKeys(bot.id, true)
    await app.crypto.bootstrapCrossSigning({})
    const { privateKeysCachedLocally: keys } = await app.crypto.getCrossSigningStatus()
    assert.deepEqual(keys, { masterKey: true, selfSigningKey: true, userSigningKey: true })
    await app.crypto.loadSessionBackupPrivateKeyFromSecretStorage()
    assert.notEqual(await app.crypto.getActiveSessionBackupVersion(), undefined)
  })

  for (const mishap of ['refused-connection', 'lost-answer'] as const) {
    for (const where of ['/keys/device_signing/upload', '/keys/signatures/upload', '/room_keys/version']) {
      test(`the making of the identity goes on after a ${mishap} at ${where}`, async (t) => {
        const proxy = await MishapProxy.before(synapse.url)
        t.after(() => proxy.stop())
        const bot = await TestBot.arrive(t, synapse, freshName('bot'), { homeserver: proxy.url })
        proxy.failNext(mishap, where)
        await bot.start()
        assert.equal(bot.reports.at(-1)?.detail, undefined)
        assert.ok(
          bot.reports.some(({ state }) => state === 'failed'),
          'it met the mishap',
        )
        await bot.start()
        using app = await EncryptedPerson.logIn(synapse, bot.id, 'correct horse', await recoveryKeyOf(bot))
        await app.crypto.userHasCrossSigningKeys(bot.id, true)
        await app.crypto.bootstrapCrossSigning({})
        const status = await app.crypto.getDeviceVerificationStatus(bot.id, await deviceOf(bot))
        assert.equal(status?.signedByOwner, true)
        await app.crypto.loadSessionBackupPrivateKeyFromSecretStorage()
      })
    }
  }

  test('an identity that another app has made is taken over with its recovery key, and never reset', async (t) => {
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    const key = new Uint8Array(32).fill(7)
    const encoded = writeRecoveryKey(key)
    using app = await EncryptedPerson.logIn(synapse, bot.id, 'correct horse', encoded)
    await app.crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (ask) => {
        await ask(null)
      },
    })
    await app.crypto.bootstrapSecretStorage({
      setupNewKeyBackup: true,
      createSecretStorageKey: async () => ({ privateKey: key, encodedPrivateKey: encoded }),
    })
    const identity = await app.crypto.getCrossSigningKeyId()
    await bot.start()
    assert.match(bot.reports.at(-1)?.detail ?? '', /not verified.*matrix\.encryption\.recovery_key/)
    bot.configure({ encryption: { recovery_key: writeRecoveryKey(new Uint8Array(32).fill(8)) } })
    await bot.start()
    assert.match(bot.reports.at(-1)?.detail ?? '', /recovery key is not the key of this account/)
    bot.configure({ encryption: { recovery_key: encoded } })
    await bot.start()
    assert.equal(bot.reports.at(-1)?.detail, undefined)
    await app.crypto.getUserDeviceInfo([bot.id], true)
    const status = await app.crypto.getDeviceVerificationStatus(bot.id, await deviceOf(bot))
    assert.equal(status?.signedByOwner, true)
    assert.equal(await app.crypto.getCrossSigningKeyId(), identity)
    assert.equal((await app.crypto.getActiveSessionBackupVersion()) === null, false)
  })

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
    let asked: VerificationRequest | undefined
    person.client.once(CryptoEvent.VerificationRequestReceived, (request) => (asked = request))
    await person.say(room, '!verify')
    const request = await eventually(() => asked, 'the request of the bot')
    await request.accept()
    await compare(request, bot, false)
    await person.hears(room, bot.id, /^Verified/)
    assert.equal((await person.crypto.getUserVerificationStatus(bot.id)).isCrossSigningVerified(), true)
    assert.deepEqual(bot.store.taken, [], 'none of it is a prompt')
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
})
