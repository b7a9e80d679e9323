import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, describe, test, type TestContext } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import type { MatrixEvent, MatrixPerson } from '../../../tests/support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from '../../../tests/support/synapse.ts'
import { DeliveryError, type Operation } from '../../core/transport.ts'
import type { Choice, View } from '../../core/view.ts'
import { arrive, freshName, placeOf, TestBot } from './bot.fake.ts'
import { Budget } from './budget.ts'
import { Chores } from './chores.ts'
import { MatrixClient } from './client.ts'
import { deliver } from './deliver.ts'
import { EarlierPosts } from './earlier.ts'
import { MishapProxy } from './proxy.fake.ts'
import { FilesOut } from './files-out.ts'
import { Rooms } from './rooms.ts'
import { putEvent, type RoomEventToSend } from './send.ts'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'

const missing = await whyNoSynapse()

describe('what the bot says', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  test('a question carries its keycaps, in order, and what is for us alone is not sent', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const ref = await ask(bot, room, 3)
    await keycapsOn(owner, room, ref, ['1\uFE0F\u20E3', '2\uFE0F\u20E3', '3\uFE0F\u20E3'])
    const event = (await owner.timeline(room)).find(({ event_id: id }) => id === ref)
    assert.ok(!('choices' in (event?.content ?? {})))
    assert.deepEqual(event?.content['m.mentions'], {})
  })

  test('there are no more than ten keycaps', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const ref = await ask(bot, room, 12)
    const ten = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((digit) => `${digit}\uFE0F\u20E3`)
    await keycapsOn(owner, room, ref, [...ten, '🔟'])
  })

  test('the keycaps go when the choices do, and the message shows what became of them', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const ref = await ask(bot, room, 3)
    await keycapsOn(owner, room, ref, ['1\uFE0F\u20E3', '2\uFE0F\u20E3', '3\uFE0F\u20E3'])
    const [content = {}] = bot.transport.render({ state: 'ended', parts: [said('Allowed')], choices: [] })
    await bot.deliver({ type: 'edit', place: placeOf(room), content, key: 'edit', ref })
    await keycapsOn(owner, room, ref, [])
    assert.deepEqual(bot.store.list('keycaps:'), [])
    assert.deepEqual(bot.store.list('todo:'), [])
  })

  test('keycaps that a stop came before are put on at the next start, and none twice', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const { transport } = bot
    await bot.stop()
    const [content = {}] = transport.render(question(2))
    const post = { type: 'post', place: placeOf(room), content, key: 'q', notify: true } as const
    const ref = await transport.deliver(post, AbortSignal.timeout(30_000))
    assert.equal(bot.store.list('todo:keycaps:').length, 1)
    await bot.start()
    await keycapsOn(owner, room, ref, ['1\uFE0F\u20E3', '2\uFE0F\u20E3'])
    assert.equal(await bot.deliver(post), ref, 'the same key is the same message')
    await eventually(() => bot.store.list('todo:').length === 0, 'the end of all duties')
    await keycapsOn(owner, room, ref, ['1\uFE0F\u20E3', '2\uFE0F\u20E3'])
  })

  test('an answer names what it answers in groups, and not between two', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const content = { msgtype: 'm.text', body: 'answer' }
    const asked = await owner.say(room, 'question')
    await bot.messages(1)
    const reply = { type: 'post', place: placeOf(room), content, replyTo: asked, notify: true } as const
    const between = await bot.deliver({ ...reply, key: 'a' })
    const guest = await arrive(synapse, 'guest')
    await owner.invite(room, guest.id)
    await guest.join(room)
    await owner.say(room, 'all of you')
    await bot.messages(2)
    const among = await bot.deliver({ ...reply, key: 'b' })
    const relations = new Map(
      (await owner.timeline(room)).map(({ event_id: id, content: found }) => [id, found['m.relates_to']]),
    )
    assert.equal(relations.get(between), undefined)
    assert.deepEqual(relations.get(among), { 'm.in_reply_to': { event_id: asked } })
  })

  test('the largest message that is ever made goes, also as an edit, and encrypted', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const long = Array.from({ length: 4_000 }, (_, index) => `<${index}>`).join(' ')
    const contents = bot.transport.render({
      state: 'ended',
      parts: [
        { kind: 'text', text: `\`\`\`\n${long}\n\`\`\`\n\n**x** ${long}` },
        { kind: 'notice', text: 'x'.repeat(31_900) },
      ],
      choices: [],
    })
    const sizes = contents.map((content) => Buffer.byteLength(JSON.stringify(content)))
    assert.ok(Math.max(...sizes) > 31_900, 'it is as large as they come')
    for (const encrypted of [false, true]) {
      if (encrypted) {
        const algorithm = { algorithm: 'm.megolm.v1.aes-sha2' }
        await owner.setState(room, 'm.room.encryption', algorithm)
        await eventually(() => bot.store.recall(`room:${room}`)?.includes('"encrypted":true'), 'the change')
      }
      for (const [index, content] of contents.entries()) {
        const key = `${encrypted} ${index}`
        const ref = await bot.post(room, `p${key}`, content)
        await bot.deliver({ type: 'edit', place: placeOf(room), content, key: `e${key}`, ref })
      }
    }
    const types = (await owner.timeline(room)).flatMap(({ sender, type }) =>
      sender === bot.id ? [type] : [],
    )
    const count = (wanted: string) => types.filter((type) => type === wanted).length
    assert.equal(count('m.room.message'), contents.length * 2)
    assert.equal(count('m.room.encrypted'), contents.length * 2)
  })

  test('what the homeserver will never take is rejected', async (t) => {
    const { bot, room } = await meet(t, synapse)
    const huge = { msgtype: 'm.text', body: 'x'.repeat(70_000) }
    await assert.rejects(bot.post(room, 'huge', huge), { name: 'DeliveryError', failure: 'rejected' })
    const content = { msgtype: 'm.text', body: 'x' }
    await assert.rejects(bot.post('!nowhere:hs.test', 'x', content), { failure: 'rejected' })
    await assert.rejects(bot.post(room, 'y', { nonsense: true }), { failure: 'rejected' })
  })

  test('a post whose fate is unknown is found again by another log-in, also after a day', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const content = { msgtype: 'm.text', body: 'only once' }
    const ref = await bot.post(room, 'once', content)
    await bot.stop()
    await rm(join(bot.home, 'matrix_store'), { recursive: true })
    const since: Readonly<Record<string, unknown>> = JSON.parse(bot.store.recall('since') ?? '{}')
    bot.store.remember({ since: JSON.stringify({ ...since, at: Date.now() - 30 * 3_600_000 }) })
    await bot.start()
    assert.equal(await bot.post(room, 'once', content), ref, 'another device, for which the key is a new one')
    await bot.post(room, 'twice', { msgtype: 'm.text', body: 'another' })
    const shown = await owner.messagesOf(room, bot.id)
    assert.deepEqual(
      shown.map(({ content: { body } }) => body),
      ['only once', 'another'],
    )
  })

  test('typing and a receipt can be seen, and harm nothing when they fail', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const id = await owner.say(room, 'hello')
    await bot.messages(1)
    await bot.transport.typing?.(placeOf(room), true)
    await bot.transport.mark?.(placeOf(room), id, 'seen')
    const filter = JSON.stringify({ room: { timeline: { limit: 0 } } })
    const sync = await owner.call<{
      rooms: { join: Record<string, { ephemeral: { events: readonly MatrixEvent[] } }> }
    }>('GET', `/sync?timeout=0&filter=${encodeURIComponent(filter)}`)
    const events = sync.rooms.join[room]?.ephemeral.events ?? []
    const content = (type: string): unknown => events.find((event) => event.type === type)?.content
    assert.deepEqual(content('m.typing'), { user_ids: [bot.id] })
    assert.ok(JSON.stringify(content('m.receipt')).includes(bot.id))
    await bot.transport.typing?.(placeOf('!nowhere:hs.test'), true)
    await bot.transport.mark?.(placeOf(room), '$nothing', 'seen')
  })
})

test("Synapse's own limits make the chat rest, and every message comes through", async (t) => {
  if (missing !== undefined) return t.skip(missing)
  const twice = { per_second: 1, burst_count: 3 }
  const synapse = await startSynapse({ settings: { rc_message: twice } })
  t.after(() => synapse.stop())
  const { bot, owner, room } = await meet(t, synapse)
  const rests: number[] = []
  for (let index = 0; index < 6; index++) {
    await eventually(async () => {
      try {
        return await bot.post(room, `m${index}`, { msgtype: 'm.text', body: `m${index}` })
      } catch (error) {
        assert.ok(error instanceof DeliveryError && error.failure === 'rate-limited')
        rests.push(error.retryAfterMs ?? 0)
        return undefined
      }
    })
  }
  assert.ok(rests.length > 0 && rests.every((ms) => ms > 0))
  const shown = await owner.messagesOf(room, bot.id)
  assert.deepEqual(
    shown.map(({ content }) => content['body']),
    ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'],
  )
})

test("at Synapse's own limits, a chat meets few refusals, and words do not wait for looks", async (t) => {
  if (missing !== undefined) return t.skip(missing)
  const synapse = await startSynapse({ rateLimits: 'default' })
  t.after(() => synapse.stop())
  const proxy = await MishapProxy.before(synapse.url)
  t.after(() => proxy.stop())
  const { bot, owner, room } = await meet(t, synapse, { homeserver: proxy.url })
  const patiently = (operation: Operation) =>
    eventually(async () => {
      try {
        return await bot.deliver(operation)
      } catch (error) {
        assert.ok(error instanceof DeliveryError && error.failure === 'rate-limited')
        await sleep(error.retryAfterMs ?? assert.fail('no time'))
        return undefined
      }
    })
  const ref = await ask(bot, room, 3)
  await keycapsOn(owner, room, ref, ['1\uFE0F\u20E3', '2\uFE0F\u20E3', '3\uFE0F\u20E3'])
  const [content = {}] = bot.transport.render({ state: 'ended', parts: [said('Allowed')], choices: [] })
  await patiently({ type: 'edit', place: placeOf(room), content, key: 'edit', ref })
  for (let index = 0; index < 5; index++) {
    const words = { msgtype: 'm.text', body: `m${index}` }
    await patiently({ type: 'post', place: placeOf(room), content: words, key: `m${index}`, notify: true })
  }
  assert.ok(proxy.refusals <= 4, `${proxy.refusals} refusals`)
  assert.ok((bot.transport.progressPaceMs?.(placeOf(room), 1) ?? 0) > 4_000, 'progress keeps out of the way')
})

for (const [what, status, headers, body, failure, retryAfterMs] of [
  [
    'a limit in the header alone',
    429,
    { 'retry-after': '7' },
    { errcode: 'M_LIMIT_EXCEEDED' },
    'rate-limited',
    7000,
  ],
  ['a limit without a time', 429, {}, { errcode: 'M_LIMIT_EXCEEDED' }, 'rate-limited', 5000],
  ['a proxy whose homeserver is down', 502, {}, '<html>Bad gateway</html>', 'unreachable', undefined],
  ['a proxy that knows no such page', 404, {}, '<html>Not found</html>', 'unreachable', undefined],
  ['a homeserver in trouble', 500, {}, { errcode: 'M_UNKNOWN' }, 'unreachable', undefined],
  ['half an answer', 200, {}, '{"event_', 'unreachable', undefined],
  ['a dead token', 401, {}, { errcode: 'M_UNKNOWN_TOKEN' }, 'unreachable', undefined],
  ['a closed door', 403, {}, { errcode: 'M_FORBIDDEN' }, 'rejected', undefined],
] as const) {
  test(`${what} is ${failure}`, async (t) => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    const memory = new InMemoryStore()
    const silent = { debug() {}, info() {}, warn() {}, error() {} }
    const client = new MatrixClient(`http://127.0.0.1:${address.port}`, 'syt_secret')
    const deps = {
      voice: {
        client,
        send: (event: RoomEventToSend, signal: AbortSignal) => putEvent(client, event, signal),
      },
      self: '@bot:b',
      earlier: new EarlierPosts(),
      budget: new Budget(),
      rooms: Rooms.recall(memory),
      ownerChat: { roomOf: async (chat: string) => chat },
      files: new FilesOut(client),
      thumbnails: { of: async () => undefined },
      memory,
      log: silent,
      chores: new Chores(memory, silent),
    }
    const content = { msgtype: 'm.text', body: 'x' }
    const post = { type: 'post', place: placeOf('!a:b'), content, key: 'k', notify: true } as const
    await assert.rejects(deliver(post, deps, AbortSignal.timeout(10_000)), (error) => {
      assert.ok(error instanceof DeliveryError)
      assert.deepEqual([error.failure, error.retryAfterMs], [failure, retryAfterMs])
      assert.doesNotMatch(error.message, /syt_secret/)
      return true
    })
  })
}

function said(text: string): View['parts'][number] {
  return { kind: 'notice', text }
}

function question(count: number): View {
  const choices: Choice[] = Array.from({ length: count }, (_, index) => ({ token: `t${index}`, label: 'x' }))
  return { state: 'ended', parts: [said('Which?')], choices }
}

async function ask(bot: TestBot, room: string, count: number): Promise<string> {
  const [content = {}] = bot.transport.render(question(count))
  return bot.post(room, `question of ${count}`, content)
}

/** Waits until the message carries exactly these, in the order of their coming. */
async function keycapsOn(
  witness: MatrixPerson,
  room: string,
  ref: string,
  expected: readonly string[],
): Promise<void> {
  await eventually(async () => {
    const events = await witness.timeline(room)
    const found = events.flatMap(({ type, content, unsigned }) => {
      const relation = content['m.relates_to'] as { event_id?: string; key?: string } | undefined
      const here =
        type === 'm.reaction' && relation?.event_id === ref && unsigned?.redacted_because === undefined
      return here ? [relation.key] : []
    })
    assert.deepEqual(found, expected)
    return true
  }, 'the keycaps')
}

async function meet(
  t: TestContext,
  synapse: Synapse,
  matrix: Readonly<Record<string, unknown>> = {},
): Promise<{ bot: TestBot & { readonly id: string }; owner: MatrixPerson; room: string }> {
  const owner = await arrive(synapse, 'owner')
  const bot = await TestBot.arrive(t, synapse, freshName('bot'), matrix)
  await bot.start()
  const room = await owner.direct(bot.id)
  await owner.waitForMembership(room, bot.id, 'join')
  return { bot, owner, room }
}
