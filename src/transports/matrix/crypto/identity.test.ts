import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { EncryptedPerson } from '../../../../tests/support/encrypted-person.ts'
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
})
