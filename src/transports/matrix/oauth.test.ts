import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import { startSynapse, whyNoSynapse } from '../../../tests/support/synapse.ts'
import { FatalError } from '../../core/transport.ts'
import { arrive, freshName, TestBot } from './bot.fake.ts'
import { OAuthFront } from './oauth.fake.ts'

const missing = await whyNoSynapse()

describe('logging in by browser', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  async function begin(t: TestContext) {
    const front = await OAuthFront.before(synapse)
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { homeserver: front.url, password: '' })
    t.after(() => front.stop())
    return { front, bot }
  }

  /** The code that the person is shown, as often as they were shown one. */
  async function code(bot: TestBot, times = 1): Promise<string> {
    const shown = () =>
      bot.reports.flatMap(
        ({ detail }) => /open http\S+ and allow ductor \(code (\w+)\)/.exec(detail ?? '')?.[1] ?? [],
      )
    return eventually(() => shown().length >= times && shown().at(-1), `code ${times}`)
  }

  const credentials = async (bot: TestBot) =>
    JSON.parse(await readFile(join(bot.home, 'matrix_store/credentials.json'), 'utf8'))

  test('the person is told where to go, and the log-in that they allow is kept and used again', async (t) => {
    const { front, bot } = await begin(t)
    await bot.launch()
    front.allow(await code(bot), bot.id)
    await bot.waitForReport('connected')
    const file = await credentials(bot)
    assert.deepEqual(await synapse.devices(bot.id), [file.device_id])
    await bot.start()
    assert.deepEqual(await synapse.devices(bot.id), [file.device_id])
    assert.doesNotMatch(JSON.stringify([bot.log, bot.reports]), /ma[tr]_/, 'no token is told to anybody')
  })

  test('tokens that run out are renewed while the bot hears on, also when an answer is lost', async (t) => {
    const { front, bot } = await begin(t)
    await bot.launch()
    front.allow(await code(bot), bot.id)
    await bot.waitForReport('connected')
    const owner = await arrive(synapse, 'owner')
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    const before = await credentials(bot)
    front.expireAccess()
    await owner.say(room, 'one')
    await bot.messages(1)
    front.loseNextRenewal = true
    front.expireAccess()
    await owner.say(room, 'two')
    await bot.messages(2)
    const now = await credentials(bot)
    assert.notEqual(now.oauth.refresh_token, before.oauth.refresh_token)
    assert.equal(now.device_id, before.device_id)
    front.expireAccess()
    await bot.start()
    await owner.say(room, 'three')
    await bot.messages(3)
    assert.ok(front.refreshed < 8, `${front.refreshed} renewals are no loop`)
  })

  test('a session that was ended is asked for again, as the same device', async (t) => {
    const { front, bot } = await begin(t)
    await bot.launch()
    front.allow(await code(bot), bot.id)
    await bot.waitForReport('connected')
    const { device_id: device } = await credentials(bot)
    const shown = bot.reports.length
    front.endSession()
    await eventually(
      () => bot.reports.slice(shown).some(({ detail }) => /allow ductor/.test(detail ?? '')),
      'the question',
      60_000,
    )
    front.allow(await code(bot), bot.id)
    await eventually(() => bot.reports.at(-1)?.state === 'connected', 'the connection')
    assert.equal((await credentials(bot)).device_id, device)
  })

  test('a code that runs out is followed by another; a refusal, or the wrong account, ends it', async (t) => {
    const { front, bot } = await begin(t)
    await bot.launch()
    const first = await code(bot)
    front.expire(first)
    const second = await code(bot, 2)
    assert.notEqual(second, first)
    front.deny(second)
    await assert.rejects(
      bot.listening,
      (error) => error instanceof FatalError && /refused in the browser/.test(error.message),
    )

    const other = await synapse.register(freshName('other'), 'correct horse')
    await bot.launch()
    front.allow(await code(bot, 3), other.userId)
    await assert.rejects(
      bot.listening,
      new RegExp(`allowed as ${other.userId}, but matrix.user_id is ${bot.id}`),
    )
  })
})
