import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import { startSynapse, whyNoSynapse } from '../../../tests/support/synapse.ts'
import { arrive, freshName, TestBot } from './bot.fake.ts'
import { MishapProxy } from './proxy.fake.ts'
import { usualTempo } from './pulse.ts'

const missing = await whyNoSynapse()

describe('a bot that hears nothing any more', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  for (const how of ['empty', 'stuck'] as const) {
    test(`finds it out where syncs are ${how}, says so, and heals`, async (t) => {
      const proxy = await MishapProxy.before(synapse.url)
      t.after(() => proxy.stop())
      const owner = await arrive(synapse, 'owner')
      const bot = await TestBot.arrive(t, synapse, freshName('bot'), { homeserver: proxy.url })
      bot.tempo = { ...usualTempo, silenceMs: 200, patienceMs: 600 }
      await bot.start()
      const room = await owner.direct(bot.id)
      await owner.waitForMembership(room, bot.id, 'join')
      await eventually(async () => (await beatOf(synapse.url, bot)) !== undefined, 'a beat of its pulse')
      assert.equal(bot.reports.at(-1)?.state, 'connected', 'a quiet chat is no silence')
      proxy.deaf = how
      await owner.say(room, 'do you hear me?')
      await bot.waitForReport('failed', /brings nothing.*restart it/)
      proxy.deaf = undefined
      const [message] = await bot.messages(1)
      assert.equal(message?.text, 'do you hear me?')
      await eventually(() => bot.reports.at(-1)?.state === 'connected', 'the healing')
    })
  }

  test('is mended by another connection, without a word, where that helps', async (t) => {
    const proxy = await MishapProxy.before(synapse.url)
    t.after(() => proxy.stop())
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { homeserver: proxy.url })
    bot.tempo = { ...usualTempo, silenceMs: 200, patienceMs: 1500 }
    await bot.start()
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    proxy.deaf = 'stuck'
    await eventually(() => proxy.stuck > 0, 'a sync that never ends')
    proxy.deaf = undefined
    await owner.say(room, 'still there?')
    await bot.messages(1)
    assert.equal(bot.logged(/listening anew/).length, 1)
    assert.ok(bot.reports.every(({ state }) => state !== 'failed'))
  })
})

/** What the bot last wrote to itself, if it did. */
async function beatOf(homeserver: string, bot: TestBot & { readonly id: string }): Promise<unknown> {
  const file: { access_token: string } = JSON.parse(
    await readFile(join(bot.home, 'matrix_store', 'credentials.json'), 'utf8'),
  )
  const where = `/_matrix/client/v3/user/${encodeURIComponent(bot.id)}/account_data/ductor.pulse`
  const headers = { authorization: `Bearer ${file.access_token}` }
  const answer = await fetch(homeserver + where, { headers })
  return answer.ok ? answer.json() : undefined
}
