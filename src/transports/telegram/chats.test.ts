import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import type { Place } from '../../core/message.ts'
import { DeliveryError, type Content, type Operation, type Post } from '../../core/transport.ts'
import { Stage } from './stage.fake.ts'

const owner = 4711

function placeOf(chat: number, thread?: number): Place {
  const key = `tg:${chat}${thread === undefined ? '' : `:${thread}`}`
  return {
    key,
    transport: 'telegram',
    chat: String(chat),
    ...(thread === undefined ? {} : { thread: String(thread) }),
  }
}

let posts = 0
function post(place: Place, text: string): Post {
  posts += 1
  const content: Content = { text, entities: [] }
  return { type: 'post', place, content, key: `k${posts}`, notify: true }
}

function edit(place: Place, ref: string, text: string): Operation {
  return { type: 'edit', place, content: { text, entities: [] }, key: 'e', ref }
}

async function fails(stage: Stage, operation: Operation): Promise<DeliveryError> {
  const error = await stage.transport.deliver(operation, stage.signal).catch((reason: unknown) => reason)
  if (!(error instanceof DeliveryError)) assert.fail(`it did not fail: ${String(error)}`)
  return error
}

describe('a group that becomes a supergroup', () => {
  test('keeps its conversations, its leave to be there, and what was queued for it', async () => {
    await using stage = await Stage.open({ settings: { allowed_group_ids: [-8] } })
    const { network, transport } = stage
    const team = network.group(-8)
    const person = network.person(owner)
    await stage.connect()
    person.writes('before', { in: team })
    const [before] = await stage.taken(1)
    const ref = await transport.deliver(post(placeOf(-8), 'an answer'), stage.signal)
    const moved = team.moves(-1008)
    person.writes('after', { in: moved })
    const after = (await stage.taken(2)).at(-1)
    assert.equal(after?.place.key, before?.place.key)
    assert.equal(after?.place.chat, '-1008')
    assert.ok(transport.policy.rooms instanceof Set && transport.policy.rooms.has('-1008'))
    assert.equal(moved.chat.bot, 'member', 'it does not leave')

    const queued = await transport.deliver(post(placeOf(-8), 'queued before'), stage.signal)
    assert.equal(network.posts(-1008).at(-1)?.text, 'queued before')
    await transport.deliver(edit(placeOf(-8), queued, 'and changed after'), stage.signal)
    assert.equal(network.posts(-1008).at(-1)?.text, 'and changed after')
    assert.equal((await fails(stage, edit(placeOf(-8), ref, 'out of reach'))).failure, 'gone')

    const again = stage.reopened()
    assert.ok(again.transport.policy.rooms instanceof Set && again.transport.policy.rooms.has('-1008'))
    await again.transport.deliver(post(placeOf(-8), 'after a restart'), stage.signal)
    assert.equal(network.posts(-1008).at(-1)?.text, 'after a restart')
    assert.equal(network.calls('sendMessage').filter(({ outcome }) => outcome?.ok === false).length, 0)
  })

  test('is found out by the first call where nobody told, and by the first word in it', async () => {
    await using stage = await Stage.open({ settings: { allowed_group_ids: [-8, -9] } })
    const { network, transport } = stage
    const person = network.person(owner)
    network.group(-8).moves(-1008, { quietly: true })
    const other = network.group(-9).moves(-1009, { quietly: true })
    await transport.deliver(post(placeOf(-8), 'hello'), stage.signal)
    assert.equal(network.posts(-1008).at(-1)?.text, 'hello')
    await stage.connect()
    person.adds(other)
    person.writes('hello?', { in: other })
    await stage.taken(1)
    await eventually(() => network.calls('getChat').length > 0, 'the question')
    person.writes('hello!', { in: other })
    const [, second] = await stage.taken(2)
    assert.equal(second?.place.key, 'tg:-9')
    assert.notEqual(other.chat.bot, 'left')
  })
})

describe('groups that are not in the list', () => {
  test('are left at once, and when something is heard there from an earlier time', async () => {
    await using stage = await Stage.open({ settings: { allowed_group_ids: [-1001] } })
    const { network } = stage
    const [mine, wrong, old] = [network.group(-1001), network.group(-1002), network.group(-1003)]
    mine.chat.bot = 'left'
    wrong.chat.bot = 'left'
    const person = network.person(owner)
    await stage.connect()
    person.adds(mine)
    person.adds(wrong)
    person.writes('hello', { in: old })
    await eventually(() => wrong.chat.bot === 'left' && old.chat.bot === 'left', 'leaving')
    assert.equal(mine.chat.bot, 'member')
    const reasons = stage.logged.filter(({ message }) => message === 'left a group')
    assert.match(JSON.stringify(reasons), /-1002 is not in the list of allowed rooms/)
  })
})

describe('a topic', () => {
  for (const end of ['deleted', 'closed'] as const) {
    test(`that is ${end} is answered in the group itself, which says so; until it is there again`, async () => {
      await using stage = await Stage.open({ settings: { allowed_group_ids: [-1001] } })
      const { network, transport } = stage
      const team = network.group(-1001, { forum: true })
      const person = network.person(owner)
      const topic = team.topic('Deploy')
      const place = placeOf(-1001, topic)
      await stage.connect()
      const asked = person.writes('go', { in: team, topic })
      team.renamesTopic(topic, 'Release', person.user)
      await stage.taken(1)
      await eventually(() => /Release/.test(JSON.stringify(stage.store.list('topic/'))), 'the name')
      await transport.deliver(post(place, 'working'), stage.signal)
      if (end === 'deleted') team.deletesTopic(topic)
      else team.closesTopic(topic)
      const replyTo = String(asked)
      const answer = await transport.deliver({ ...post(place, 'done'), replyTo }, stage.signal)
      const shown = network.posts(-1001).at(-1)
      assert.equal(shown?.text, `The topic “Release” is ${end}, so this comes here:\n\ndone`)
      assert.equal(shown?.message_thread_id, undefined)
      await transport.deliver(edit(place, answer, 'done, really'), stage.signal)
      assert.match(network.posts(-1001).at(-1)?.text ?? '', /comes here:\n\ndone, really$/)
      if (end === 'deleted') return
      team.reopensTopic(topic, person.user)
      person.writes('again', { in: team, topic })
      await stage.taken(2)
      await transport.deliver(post(place, 'back'), stage.signal)
      assert.equal(network.posts(-1001).at(-1)?.message_thread_id, topic)
      assert.deepEqual(network.lints, [])
    })
  }

  test('in a private chat is a conversation of its own', async () => {
    await using stage = await Stage.open()
    const { network, transport } = stage
    const person = network.person(owner)
    const topic = person.topic('Taxes')
    await stage.connect()
    person.writes('hello', { topic })
    const [heard] = await stage.taken(1)
    assert.equal(heard?.place.key, `tg:${owner}:${topic}`)
    await transport.deliver(post(placeOf(owner, topic), 'hi'), stage.signal)
    assert.equal(network.posts(owner).at(-1)?.message_thread_id, topic)
    person.deletesTopic(topic)
    await transport.deliver(post(placeOf(owner, topic), 'still there?'), stage.signal)
    assert.match(network.posts(owner).at(-1)?.text ?? '', /^The topic “Taxes” is deleted/)
  })
})

describe('a chat that must rest', () => {
  test('is not called before, not even after a restart; other chats go on', async () => {
    let now = Date.now()
    await using stage = await Stage.open({ now: () => now })
    const { network } = stage
    network.person(owner).starts()
    network.person(5).starts()
    network.breaks('sendMessage', { how: 'flood', seconds: 40 })
    const first = await fails(stage, post(placeOf(owner), 'too much'))
    assert.equal(first.retryAfterMs, 40_000)
    const again = stage.reopened()
    now += 10_000
    const held = await again.transport
      .deliver(post(placeOf(owner), 'too early'), stage.signal)
      .catch((error: unknown) => error)
    assert.ok(held instanceof DeliveryError && held.failure === 'rate-limited')
    assert.equal(held.retryAfterMs, 30_000)
    await again.transport.deliver(post(placeOf(5), 'elsewhere'), stage.signal)
    assert.equal(network.calls('sendMessage').length, 2)
    now += 30_001
    await again.transport.deliver(post(placeOf(owner), 'now'), stage.signal)
    assert.equal(network.posts(owner).length, 1)
  })

  test('rests no longer than it was told where the clock is set back meanwhile', async () => {
    let now = Date.now()
    await using stage = await Stage.open({ now: () => now })
    const { network, transport } = stage
    network.person(owner).starts()
    network.breaks('sendMessage', { how: 'flood', seconds: 40 })
    await fails(stage, post(placeOf(owner), 'too much'))
    now -= 3_600_000
    const held = await fails(stage, post(placeOf(owner), 'too early'))
    assert.equal(held.retryAfterMs, 40_000)
    now += 40_000
    for (let n = 0; n < 5; n += 1) await transport.deliver(post(placeOf(owner), `${n}`), stage.signal)
    now -= 3_600_000
    await transport.deliver(post(placeOf(owner), 'in its budget'), stage.signal)
    assert.equal(network.posts(owner).length, 6)
  })

  test('is not driven to it: a group gets no more than it takes in a minute', async () => {
    let now = Date.now()
    await using stage = await Stage.open({ now: () => now })
    stage.network.group(-1001)
    for (let n = 0; n < 20; n += 1) {
      await stage.transport.deliver(post(placeOf(-1001), `message ${n}`), stage.signal)
      now += 100
    }
    const held = await fails(stage, post(placeOf(-1001), 'one too many'))
    assert.equal(held.failure, 'rate-limited')
    now += held.retryAfterMs ?? 0
    await stage.transport.deliver(post(placeOf(-1001), 'later'), stage.signal)
  })
})

describe('the person', () => {
  test('is the owner once they have written, and as long as they have not blocked the bot', async () => {
    await using stage = await Stage.open({ settings: { allowed_user_ids: [6, owner] } })
    const { network, transport } = stage
    assert.equal(transport.ownerPlace(), undefined)
    const person = network.person(owner)
    await stage.connect()
    person.writes('hello')
    await stage.taken(1)
    assert.deepEqual(transport.ownerPlace(), placeOf(owner))
    assert.deepEqual(stage.reopened().transport.ownerPlace(), placeOf(owner))
    person.blocks()
    await eventually(() => transport.ownerPlace() === undefined, 'the block')
    assert.match((await fails(stage, post(placeOf(owner), 'hi'))).message, /has blocked the bot/)
    const before = network.history.length
    await transport.typing(placeOf(owner), true)
    assert.ok(network.history.slice(before).every(({ method }) => method === 'getUpdates'))
    person.unblocks()
    await eventually(() => transport.ownerPlace() !== undefined, 'the way back')
  })

  test('who speaks as the group or as a channel is nobody in a list', async () => {
    await using stage = await Stage.open({ settings: { allowed_group_ids: [-1001] } })
    const team = stage.network.group(-1001)
    const person = stage.network.person(owner)
    await stage.connect()
    person.writes('as the group', { in: team, as: team.chat.wire })
    person.writes('as a channel', { in: team, as: { id: -1005, type: 'channel', title: 'News' } })
    const heard = await stage.taken(2)
    assert.deepEqual(
      heard.map(({ sender }) => sender.id),
      ['-1001', '-1005'],
    )
  })
})
