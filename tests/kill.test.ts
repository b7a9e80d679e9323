import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { runSeed as seed, seeded } from './support/seeded.ts'
import { startSynapse, whyNoSynapse } from './support/synapse.ts'

const skip = await whyNoSynapse()
const messages = 200
const kills = 12
const owner = 4711

describe('kill -9 at any moment', { skip: skip ?? false }, () => {
  test(`200 messages on both transports, killed again and again: none lost, none run twice (seed ${seed})`, async (t) => {
    t.diagnostic(`replay with DUCTOR_SEED=${seed}`)
    const random = seeded(seed)
    const telegram = await FakeTelegram.start({ limits: { flood: false } })
    const synapse = await startSynapse()
    t.after(() => Promise.all([telegram.stop(), synapse.stop()]))
    await synapse.register('bot', 'secret-of-bot')
    const bot = `@bot:${synapse.serverName}`
    const friend = await MatrixPerson.arrive(synapse, 'owner')
    await using home = new Home({
      transports: ['telegram', 'matrix'],
      telegram_token: telegram.token,
      telegram_api_root: telegram.apiRoot,
      allowed_user_ids: [owner, owner + 1, owner + 2],
      matrix: {
        homeserver: synapse.url,
        user_id: bot,
        password: 'secret-of-bot',
        allowed_users: [friend.id],
      },
      provider: 'demo',
    })
    let running = home.start()
    await running.ready()
    const rooms = [await friend.direct(bot), await friend.direct(bot)]
    for (const room of rooms) await eventually(async () => (await friend.membership(room, bot)) === 'join')
    const people = [owner, owner + 1, owner + 2].map((id) => telegram.person(id))
    const chats = [...people.map(({ id }) => id), ...rooms]
    const sent = new Map<number | string, string[]>(chats.map((chat) => [chat, []]))

    const killing = (async () => {
      for (let n = 0; n < kills; n += 1) {
        await sleep(200 + random() * 1200)
        await running.kill()
        running = home.start()
        if (random() < 0.5) await running.ready()
      }
    })()
    for (let n = 0; n < messages; n += 1) {
      const chat = chats[Math.floor(random() * chats.length)] ?? owner
      const text = random() < 0.3 ? `wait: ${Math.floor(random() * 60)} | say: did m${n}.` : `say: did m${n}.`
      sent.get(chat)?.push(text)
      if (typeof chat === 'string') await friend.say(chat, text)
      else people.find(({ id }) => id === chat)?.writes(text)
      await sleep(random() * 60)
    }
    await killing
    await running.ready()

    const shown = async (chat: number | string): Promise<string[]> =>
      typeof chat === 'number'
        ? telegram.posts(chat).map(({ text }) => text ?? '')
        : (await friend.timeline(chat)).flatMap(({ sender, type, content }) =>
            sender === bot && type === 'm.room.message' ? [String(content['body'])] : [],
          )
    /** Answered, or asked about. */
    const settled = (texts: readonly string[], prompt: string): boolean => {
      const answer = /did m\d+\./.exec(prompt)?.[0] ?? ''
      return texts.some(
        (text) => text === answer || (text.startsWith('I was restarted') && text.includes(prompt)),
      )
    }
    const open = async (): Promise<string[]> => {
      const all = await Promise.all(
        chats.map(async (chat) => {
          const texts = await shown(chat)
          return (sent.get(chat) ?? []).filter((prompt) => !settled(texts, prompt))
        }),
      )
      return all.flat()
    }
    await eventually(
      async () => (await open()).length === 0,
      'an answer or a question for each message',
      90_000,
    ).catch(async (error: unknown) => {
      throw new Error(`lost: ${(await open()).join('; ')}\n${JSON.stringify(await home.status())}`, {
        cause: error,
      })
    })
    await home.quiet()

    const begun = home.journal().flatMap(({ event, text }) => (event === 'begun' ? [text] : []))
    assert.equal(new Set(begun).size, begun.length, 'no prompt was run twice')
    for (const chat of chats) {
      const texts = await shown(chat)
      const order = (sent.get(chat) ?? []).filter((prompt) => begun.includes(prompt))
      assert.deepEqual(
        begun.filter((prompt) => order.includes(prompt)),
        order,
        'each conversation keeps its order',
      )
      for (const prompt of order) {
        const answer = /did m\d+\./.exec(prompt)?.[0] ?? ''
        const times = texts.filter((text) => text === answer).length
        if (typeof chat === 'string') assert.ok(times <= 1, `${answer} stands ${times} times in Matrix`)
        else assert.ok(times <= 2, `${answer} stands ${times} times in Telegram`)
      }
    }
  })
})
