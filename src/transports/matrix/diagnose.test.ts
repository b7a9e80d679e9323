import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { startSynapse, whyNoSynapse } from '../../../tests/support/synapse.ts'
import type { Finding } from '../../core/define.ts'
import { freshName, TestBot } from './bot.fake.ts'
import definition from './index.ts'

const missing = await whyNoSynapse()

describe('the doctor on Matrix', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  test('does not log in, and says that the first start will', async (t) => {
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    const block = { homeserver: synapse.url, user_id: bot.id, password: 'correct horse' }
    assert.deepEqual(await examine(bot, block), [
      { level: 'ok', what: `matrix: the homeserver answers at ${synapse.url}` },
      { level: 'ok', what: `matrix: ${bot.id} will log in with the password at the first start` },
    ])
    assert.deepEqual(await synapse.devices(bot.id), [])
  })

  test('names aliases that are no rooms, and a password that is not needed', async (t) => {
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    await bot.start()
    await bot.stop()
    const block = { homeserver: synapse.url, user_id: bot.id, password: 'correct horse' }
    const findings = await examine(bot, { ...block, allowed_rooms: ['#nowhere:hs.test'] })
    const warnings = findings.filter(({ level }) => level === 'warning').map(({ what }) => what)
    assert.equal(warnings.length, 2)
    assert.match(warnings.join('\n'), /#nowhere:hs\.test in matrix\.allowed_rooms is no room/)
    assert.match(warnings.join('\n'), /password is in config\.json/)
    assert.ok(findings.some(({ level, what }) => level === 'ok' && what.includes(`signed in as ${bot.id}`)))
    assert.ok(findings.some(({ level, what }) => level === 'ok' && what.endsWith('session is verified')))
    assert.ok(findings.some(({ what }) => /recovery key .*recovery-key\.txt/.test(what)))
  })

  test('tells a log-in that has ended, and a homeserver that is not there', async (t) => {
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    await bot.start()
    await bot.stop()
    await synapse.endSessions(bot.id)
    const block = { homeserver: synapse.url, user_id: bot.id }
    const ended = await examine(bot, block)
    assert.ok(ended.some(({ level, what }) => level === 'problem' && /has ended the log-in/.test(what)))
    const nobody = await examine(bot, { ...block, homeserver: 'http://127.0.0.1:1' })
    assert.ok(nobody.some(({ level, what }) => level === 'problem' && /no answer from/.test(what)))
  })
})

async function examine(bot: TestBot, matrix: object): Promise<readonly Finding[]> {
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const deps = { home: bot.home, log: silent, memory: bot.store }
  const config = definition.config.parse({ matrix })
  return (await definition.diagnose?.(config, deps, AbortSignal.timeout(30_000))) ?? []
}
