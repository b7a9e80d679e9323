import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { treeOf } from '../src/providers/kill-tree.ts'
import { MishapProxy } from '../src/transports/matrix/proxy.fake.ts'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import type { Fault } from '../src/transports/telegram/telegram-http.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { runSeed as seed, seeded } from './support/seeded.ts'
import { startSynapse, whyNoSynapse } from './support/synapse.ts'

const skip = await whyNoSynapse()
/** DUCTOR_STORM=full: all of it (some minutes); else as much as a suite has time for. */
const size =
  process.env['DUCTOR_STORM'] === 'full'
    ? { messages: 2000, people: 80, rooms: 20, kills: 40, restarts: 4, limitMs: 600_000 }
    : { messages: 200, people: 16, rooms: 4, kills: 4, restarts: 1, limitMs: 180_000 }
const firstOwner = 4711

/** What the network does to a call of the bot. */
const faults: readonly Fault[] = [
  { how: 'dropped' },
  { how: 'answer-lost' },
  { how: 'half-answer' },
  { how: 'server-error' },
  { how: 'bad-gateway' },
  { how: 'flood', seconds: 1 },
  { how: 'slow', ms: 300 },
]
const mishaps = ['rate-limited', 'refused-connection', 'lost-answer'] as const

interface Chat {
  readonly key: string
  say(text: string): Promise<void>
  /** The bot's messages as they stand. */
  shown(): Promise<readonly string[]>
  /** How many copies of this answer the trace speaks of beyond the first. */
  marked(answer: string): Promise<number>
}

test(
  `a storm of ${size.messages} messages in ${size.people + size.rooms} conversations: nothing lost, nothing run twice, order kept (seed ${seed})`,
  { skip: skip ?? false, timeout: size.limitMs * 2 },
  async (t) => {
    t.diagnostic(`replay with DUCTOR_SEED=${seed}`)
    const random = seeded(seed)
    const pick = <T>(all: readonly [T, ...T[]]): T => all[Math.floor(random() * all.length)] ?? all[0]
    const telegram = await FakeTelegram.start({ limits: { flood: false } })
    const synapse = await startSynapse()
    const proxy = await MishapProxy.before(synapse.url)
    // It has no limit of its own, however often it says so: an honest one would slow the bot down for minutes.
    proxy.retryAfterMs = 500
    t.after(() => Promise.all([telegram.stop(), proxy.stop(), synapse.stop()]))
    await synapse.register('bot', 'secret-of-bot')
    const bot = `@bot:${synapse.serverName}`
    const friend = await MatrixPerson.arrive(synapse, 'owner')
    const people = Array.from({ length: size.people }, (_, index) => telegram.person(firstOwner + index))
    await using home = new Home({
      transports: ['telegram', 'matrix'],
      telegram_token: telegram.token,
      telegram_api_root: telegram.apiRoot,
      allowed_user_ids: people.map(({ id }) => id),
      matrix: {
        homeserver: proxy.url,
        user_id: bot,
        password: 'secret-of-bot',
        allowed_users: [friend.id],
      },
      provider: 'demo',
    })
    let running = home.start()
    await running.ready()
    const rooms: string[] = []
    for (let n = 0; n < size.rooms; n += 1) rooms.push(await friend.direct(bot))
    for (const room of rooms) await eventually(async () => (await friend.membership(room, bot)) === 'join')
    const chats: readonly Chat[] = [
      ...people.map((person): Chat => ({
        key: `tg:${person.id}`,
        say: async (text) => void person.writes(text),
        shown: async () => telegram.posts(person.id).map(({ text }) => text ?? ''),
        marked: async (answer) => {
          // Of the copies the trace knows the one that was acknowledged.
          const copies = telegram.posts(person.id).filter(({ text }) => text === answer)
          const lives = await Promise.all(
            copies.map(async ({ message_id: id }): Promise<{ event: string }[]> =>
              JSON.parse((await home.run('trace', `tg:${person.id}/${id}`, '--json')).stdout),
            ),
          )
          const marks = lives.map((life) => life.filter(({ event }) => event === 'sent again').length)
          return Math.max(0, ...marks)
        },
      })),
      ...rooms.map((room): Chat => ({
        key: room,
        // The homeserver itself may be away for a moment: people try again, too, as their clients do it.
        say: async (text) => {
          const words = { msgtype: 'm.text', body: text }
          const transaction = randomUUID()
          await eventually(() => friend.send(room, 'm.room.message', words, transaction))
        },
        shown: async () =>
          (await friend.timeline(room)).flatMap(({ sender, type, content }) =>
            sender === bot && type === 'm.room.message' ? [String(content['body'])] : [],
          ),
        marked: async () => 0,
      })),
    ]
    const sent = new Map(chats.map((chat) => [chat, [] as string[]]))

    const calm = new AbortController()
    const over = new AbortController()
    t.after(() => over.abort())
    const weather = (async () => {
      while (!calm.signal.aborted) {
        await sleep(20 + random() * 120)
        if (random() < 0.6)
          telegram.breaks(pick(['sendMessage', 'editMessageText', '*']), pick(asList(faults)))
        else if (random() < 0.5)
          telegram.breaks('getUpdates', pick([{ how: 'dropped' }, { how: 'answer-lost' }]))
        else proxy.failNext(pick(mishaps))
      }
    })()
    let mostAgents = 0
    const counting = (async () => {
      while (!over.signal.aborted) {
        const { length } = await treeOf(running.child.pid ?? 0)
        mostAgents = Math.max(mostAgents, length - 1)
        await sleep(500)
      }
    })()
    const killing = (async () => {
      for (let n = 0; n < size.kills; n += 1) {
        await sleep(500 + random() * 2500)
        await running.kill()
        running = home.start()
        if (random() < 0.7) await running.ready()
        if (n % Math.ceil(size.kills / size.restarts) === 1) await synapse.restart()
      }
    })()
    for (let n = 0; n < size.messages; n += 1) {
      const chat = chats[Math.floor(random() * chats.length)]
      if (chat === undefined) continue
      const text = `${random() < 0.2 ? `wait: ${Math.floor(random() * 80)} | ` : ''}say: did m${n}.`
      sent.get(chat)?.push(text)
      await chat.say(text)
      await sleep(random() * 25)
    }
    await killing
    calm.abort()
    await weather
    telegram.mends()
    await running.ready()

    const openIn = async (chat: Chat) => {
      const texts = await chat.shown()
      return (sent.get(chat) ?? []).filter((prompt) => !isSettled(texts, prompt))
    }
    const left = [...chats]
    await eventually(
      async () => {
        // One after another, and none again: to look costs the homeserver as much as to answer.
        const [chat] = left
        if (chat !== undefined && (await openIn(chat)).length === 0) left.shift()
        return left.length === 0
      },
      'an answer or a question for each message',
      size.limitMs,
    ).catch(async (error: unknown) => {
      const { exitCode } = running.child
      const how =
        exitCode === null ? JSON.stringify(await home.status()) : `ended with ${exitCode}: ${running.stderr}`
      const lost = (await Promise.all(left.map(openIn))).flat().join('; ')
      throw new Error(`lost: ${lost}\n${how}\n${await synapse.complaints()}`, { cause: error })
    })
    await home.quiet()
    over.abort()
    await counting
    assert.ok(mostAgents <= chats.length, `${mostAgents} agents at once for ${chats.length} conversations`)
    const begun = home.journal().flatMap(({ event, text }) => (event === 'begun' ? [text] : []))
    const twice = begun.filter((text, index) => begun.indexOf(text) !== index)
    assert.deepEqual(twice, [], 'no prompt was run twice')
    let doubled = 0
    for (const chat of chats) {
      const texts = await chat.shown()
      const prompts = sent.get(chat) ?? []
      const order = prompts.filter((prompt) => begun.includes(prompt))
      assert.deepEqual(
        begun.filter((prompt) => prompts.includes(prompt)),
        order,
        `${chat.key} keeps its order`,
      )
      for (const prompt of order) {
        const copies = texts.filter((text) => text === answerTo(prompt)).length
        if (copies <= 1) continue
        doubled += 1
        const marked = await chat.marked(answerTo(prompt))
        assert.ok(
          copies <= 1 + marked,
          `${answerTo(prompt)} stands ${copies} times in ${chat.key}, ${marked} marked`,
        )
      }
    }
    t.diagnostic(
      `${begun.length} turns, at most ${mostAgents} agents at once; ${doubled} answers stand more than once on Telegram, each marked so in its trace`,
    )
    await running.stop()
  },
)

function answerTo(prompt: string): string {
  return /did m\d+\./.exec(prompt)?.[0] ?? ''
}

/** Answered, or asked about. */
function isSettled(texts: readonly string[], prompt: string): boolean {
  return texts.some(
    (text) => text === answerTo(prompt) || (text.startsWith('I was restarted') && text.includes(prompt)),
  )
}

function asList<T>(all: readonly T[]): readonly [T, ...T[]] {
  const [first, ...rest] = all
  if (first === undefined) throw new Error('an empty list')
  return [first, ...rest]
}
