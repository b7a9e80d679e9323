import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { runSeed as seed, seeded } from './support/seeded.ts'

const messages = 300
const kills = 25
const chats = Array.from({ length: 12 }, (_, index) => 4711 + index)

interface Sent {
  readonly chat: number
  readonly prompt: string
  readonly answer: string
}

/** Kills the program again and again, at moments that no one chose. */
async function killing(home: Home, random: () => number): Promise<void> {
  for (let n = 0; n < kills; n += 1) {
    const finished = (): number => home.journal().filter(({ event }) => event === 'finished').length
    const enough = finished() + Math.floor(random() * 5)
    // A life ends when some turns have ended in it, or soon: on a slow machine it may be too short for any.
    await eventually(() => finished() >= enough, 'some turns', 2500).catch(() => {})
    await sleep(random() * 400)
    await home.killRunning()
    const running = home.start()
    if (random() < 0.8) await running.ready()
  }
}

test(`${messages} messages in ${chats.length} chats, killed ${kills} times: none lost, none run twice (seed ${seed})`, async (t) => {
  t.diagnostic(`replay with DUCTOR_SEED=${seed}`)
  const random = seeded(seed)
  const telegram = await FakeTelegram.start({ limits: { flood: false } })
  t.after(() => telegram.stop())
  await using home = new Home({
    telegram_token: telegram.token,
    telegram_api_root: telegram.apiRoot,
    allowed_user_ids: chats,
    provider: 'demo',
  })
  await home.start().ready()
  const dying = killing(home, random)
  const sent: Sent[] = []
  for (let n = 0; n < messages; n += 1) {
    const chat = chats[Math.floor(random() * chats.length)] ?? 0
    const prompt = random() < 0.2 ? `wait: ${Math.floor(random() * 40)} | say: did m${n}.` : `say: did m${n}.`
    sent.push({ chat, prompt, answer: `did m${n}.` })
    telegram.person(chat).writes(prompt)
    await sleep(random() * 240)
  }
  await dying

  const textsIn = (chat: number): readonly string[] => telegram.posts(chat).map(({ text }) => text ?? '')
  /** Neither answered nor asked about. */
  const open = (): readonly Sent[] =>
    sent.filter(({ chat, prompt, answer }) => {
      const asked = (text: string) => text.startsWith('I was restarted') && text.includes(prompt)
      return !textsIn(chat).some((text) => text === answer || asked(text))
    })
  await eventually(() => open().length === 0, 'an answer or a question for each message', 90_000).catch(
    async (error: unknown) => {
      const lost = open().map(({ prompt }) => prompt)
      throw new Error(`lost: ${lost.join('; ')}\n${JSON.stringify(await home.status())}`, { cause: error })
    },
  )
  await home.quiet()

  const begun = home.journal().flatMap(({ event, text }) => (event === 'begun' ? [text] : []))
  assert.equal(new Set(begun).size, begun.length, 'no message was run twice')
  for (const chat of chats) {
    const own = sent.filter((one) => one.chat === chat)
    const order = own.map(({ prompt }) => prompt).filter((prompt) => begun.includes(prompt))
    assert.deepEqual(
      begun.filter((prompt) => order.includes(prompt)),
      order,
      'each chat keeps its order',
    )
    for (const { answer } of own) {
      const copies = telegram.posts(chat).filter(({ text }) => text === answer)
      if (copies.length < 2) continue
      const { stdout } = await home.run('trace', String(copies.at(-1)?.message_id))
      assert.match(
        stdout,
        /sent again/,
        `${answer} stands ${copies.length} times, and the trace does not say why`,
      )
    }
  }
  const twice = sent.filter(({ chat, answer }) => textsIn(chat).filter((text) => text === answer).length > 1)
  const answered = sent.filter(({ chat, answer }) => textsIn(chat).includes(answer)).length
  t.diagnostic(
    `${answered} answered; ${begun.length} run, ${messages - begun.length} asked about or dropped; ${twice.length} shown twice`,
  )
})

test('killed when Telegram has an album but has not said so: it stands once', async (t) => {
  const owner = 4711
  const telegram = await FakeTelegram.start({ limits: { flood: false } })
  t.after(() => telegram.stop())
  await using home = new Home({
    telegram_token: telegram.token,
    telegram_api_root: telegram.apiRoot,
    allowed_user_ids: [owner],
    provider: 'demo',
  })
  const running = home.start()
  await running.ready()
  telegram.breaks('sendMediaGroup', { how: 'answer-kept' })
  telegram.person(owner).writes('file: a.png | file: b.png | file: notes.txt')
  await eventually(
    () => telegram.calls('sendMediaGroup').some(({ outcome }) => outcome?.ok === true),
    'an album',
  )
  await running.kill()
  await home.start().ready()
  await eventually(
    () => telegram.posts(owner).some(({ document }) => document !== undefined),
    'the last file',
  )
  await home.quiet()
  assert.deepEqual(
    telegram.posts(owner).flatMap(({ caption }) => caption ?? []),
    ['a.png', 'b.png'],
  )
  const [, album] = telegram.posts(owner)
  const { stdout } = await home.run('trace', String(album?.message_id))
  assert.match(stdout, /found/)
})
