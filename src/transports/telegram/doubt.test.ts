import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runSeed as seed, seeded } from '../../../tests/support/seeded.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import type { Place } from '../../core/message.ts'
import { Outbox } from '../../core/outbox.ts'
import { untilStored } from '../../core/until-stored.ts'
import { noticeView, type View } from '../../core/view.ts'
import { openDatabase } from '../../store/open.ts'
import { sqliteStore, type SqliteStore } from '../../store/sqlite-store.ts'
import { Stage, type StageOptions } from './stage.fake.ts'
import type { Fault } from './telegram-http.fake.ts'

const owner = 4711
const place: Place = { key: `tg:${owner}`, transport: 'telegram', chat: String(owner) }

/** The real outbox and store, before a network on which calls go wrong. */
class Post {
  readonly stage: Stage
  readonly store: SqliteStore
  readonly outbox: Outbox

  constructor(stage: Stage, store = sqliteStore(openDatabase(':memory:'))) {
    this.stage = stage
    this.store = store
    this.outbox = new Outbox({
      store,
      transports: new Map([['telegram', stage.transport]]),
      log: silentLog,
      keep: (write, signal) => untilStored(write, { log: silentLog, trouble() {} }, signal),
    })
  }

  static async open(options: StageOptions = {}): Promise<Post> {
    const stage = await Stage.open({ tempo: { callTimeoutMs: 200 }, ...options })
    stage.network.person(owner).starts()
    return new Post(stage)
  }

  show(key: string, view: View, final = true, chat = owner): void {
    this.outbox.show({
      key,
      place: { ...place, key: `tg:${chat}`, chat: String(chat) },
      view,
      final,
      turn: key,
    })
  }

  settled(count: number): Promise<unknown> {
    return eventually(() => this.store.countPublications('settled') >= count, `${count} deliveries`)
  }

  get texts(): readonly string[] {
    return this.stage.network.posts(owner).map(({ text = '' }) => text)
  }
}

function answer(text: string): View {
  return { state: 'ended', parts: [{ kind: 'text', text }], choices: [] }
}

const faults: readonly Fault[] = [
  { how: 'dropped' },
  { how: 'answer-lost' },
  { how: 'server-error' },
  { how: 'half-answer' },
  { how: 'garbled' },
  { how: 'bad-gateway' },
  { how: 'hangs' },
]

describe('a post on Telegram whose fate is unknown', () => {
  test(`60 posts through 50 faults: none is lost, none comes twice (seed ${seed})`, async (t) => {
    t.diagnostic(`replay with DUCTOR_SEED=${seed}`)
    const random = seeded(seed)
    // To the budget of the chat, two seconds lie between its looks at the clock.
    let clock = Date.now()
    const post = await Post.open({ now: () => (clock += 2000) })
    await using stage = post.stage
    const { network } = stage
    const people = [owner, owner + 1, owner + 2, owner + 3].map((id) => network.person(id).starts())
    await stage.connect()
    network.person(owner).writes('go')
    await stage.taken(1)
    // All private chats share the numbers of their messages, and those of the people stand in between.
    const chatter = setInterval(() => people[Math.floor(random() * 4)]?.writes('something else'), 60)
    const postAll = async (chat: number): Promise<void> => {
      for (let n = 0; n < 15; n += 1) {
        if (n % 6 !== 0) {
          network.breaks('sendMessage', faults[Math.floor(random() * faults.length)] ?? { how: 'dropped' })
        }
        const key = `turn/${chat}/${n}`
        post.show(key, answer(`message ${n} **bold**`), true, chat)
        await eventually(() => post.store.publication(key)?.state === 'settled', key)
      }
    }
    await Promise.all(people.map(({ id }) => postAll(id)))
    clearInterval(chatter)
    for (const { id } of people) {
      assert.deepEqual(
        network.posts(id).map(({ text }) => text),
        Array.from({ length: 15 }, (_, n) => `message ${n} bold`),
      )
    }
    const met = network.calls('sendMessage').length
    assert.ok(met > 60, 'some had to be sent again')
    assert.deepEqual(
      network.lints.filter((lint) => !/the same text/.test(lint)),
      [],
    )
  })

  test('is found after a restart, and edited instead of sent again', async () => {
    const first = await Post.open()
    await using stage = first.stage
    await stage.connect()
    stage.network.person(owner).writes('go')
    await stage.taken(1)
    stage.network.breaks('sendMessage', { how: 'answer-lost' })
    first.show('turn/1', noticeView('half'), false)
    stage.transport.preview = () => undefined
    await eventually(() => first.texts.length === 1, 'the message')
    await first.outbox.close(0)

    stage.network.person(owner).writes('are you there?')
    const again = new Post(stage.reopened(), first.store)
    again.show('turn/1', noticeView('whole'))
    await again.settled(1)
    assert.deepEqual(again.texts, ['whole'])
    const said = again.store
      .trace(String(stage.network.posts(owner)[0]?.message_id))
      .map(({ event }) => event)
    assert.ok(said.includes('found'), said.join())
  })

  test('never touches another message of the bot', async () => {
    const post = await Post.open()
    await using stage = post.stage
    stage.network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    post.show('turn/0', noticeView('before'))
    await post.settled(1)
    stage.transport.preview = () => undefined
    stage.network.breaks('sendMessage', { how: 'dropped' })
    post.show('turn/1', noticeView('lost'), false)
    post.show('notice/2', noticeView('after'))
    await post.settled(2)
    post.show('turn/1', noticeView('found again?'))
    await post.settled(3)
    assert.deepEqual(post.texts.toSorted(), ['after', 'before', 'found again?'])
  })

  test('never touches the sample that /rich has shown', async () => {
    const post = await Post.open()
    await using stage = post.stage
    stage.network.person(owner).writes('/rich on')
    await stage.connect()
    await stage.taken(1)
    await stage.transport.ownCommands.find(({ name }) => name === 'rich')?.run?.('on', place)
    const [sample] = stage.network.posts(owner)
    assert.ok(sample?.['rich_message'])
    stage.network.breaks('sendMessage', { how: 'answer-lost' })
    post.show('question', noticeView('Is the table there?'))
    await post.settled(1)
    assert.deepEqual(stage.network.posts(owner)[0], sample)
    assert.deepEqual(post.texts.slice(1), ['Is the table there?'])
  })

  test('is not taken for found by an answer that says nothing', async () => {
    const post = await Post.open()
    await using stage = post.stage
    stage.network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    stage.network.breaks('sendMessage', { how: 'dropped' })
    stage.network.breaks('editMessageText', { how: 'garbled' })
    post.show('turn/1', answer('once'))
    await post.settled(1)
    assert.deepEqual(post.texts, ['once'])
  })

  test('is found in a group of which only Telegram’s own words were heard, also after a restart', async () => {
    const post = await Post.open({ settings: { allowed_group_ids: [-1001] } })
    await using stage = post.stage
    const person = stage.network.person(owner)
    const group = stage.network.group(-1001)
    await stage.connect()
    for (let n = 0; n < 40; n += 1) stage.network.world.put(group.chat, { from: person.user, text: 'old' })
    // Somebody joins: no message of a person, but it has a number.
    person.adds(group)
    await eventually(() => stage.store.list('newest/-1001').length > 0, 'the number')
    stage.network.breaks('sendMessage', { how: 'answer-lost' }, 3)
    post.show('turn/1', answer('once'), true, -1001)
    await eventually(() => stage.network.posts(-1001).length === 1, 'the answer')
    await post.outbox.close(0)
    const again = new Post(stage.reopened(), post.store)
    again.outbox.resume()
    await again.settled(1)
    assert.equal(stage.network.calls('sendMessage').length, 1)
  })

  test('is found by the message that it answers, where nothing else is known of the chat', async () => {
    const post = await Post.open({ settings: { allowed_group_ids: [-1001] } })
    await using stage = post.stage
    const group = stage.network.group(-1001)
    for (let n = 0; n < 500; n += 1) stage.network.world.put(group.chat, { text: 'old' })
    const prompt = stage.network.person(owner).writes('and?', { in: group })
    stage.network.breaks('sendMessage', { how: 'answer-lost' }, 3)
    const where: Place = { key: 'tg:-1001', transport: 'telegram', chat: '-1001' }
    post.outbox.show({ key: 'turn/1', place: where, view: answer('once'), final: true, replyTo: `${prompt}` })
    await post.settled(1)
    assert.equal(stage.network.posts(-1001).length, 1)
    assert.equal(stage.network.calls('sendMessage').length, 1)
  })

  test('is looked for also when its second sending was refused, and others were sent meanwhile', async () => {
    const post = await Post.open()
    await using stage = post.stage
    const { network } = stage
    const other = network.person(owner + 1).starts()
    await stage.connect()
    network.person(owner).writes('go')
    await stage.taken(1)
    // It arrives while it is looked for, after its number was passed.
    network.breaks('sendMessage', { how: 'slow', ms: 2600 })
    post.show('turn/1', answer('once'))
    await eventually(() => network.calls('editMessageText').length > 20, 'the search')
    network.breaks('sendMessage', { how: 'flood', seconds: 1 })
    await eventually(() => network.history.some(({ fault }) => fault === 'flood'), 'the refusal')
    post.show('turn/2', answer('another'), true, other.id)
    await post.settled(2)
    assert.deepEqual(post.texts, ['once'])
  })

  test('is sent again where the clock was set back since, and does not wait until it is as late again', async () => {
    let back = 0
    const post = await Post.open({ now: () => Date.now() - back })
    await using stage = post.stage
    const { network } = stage
    network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    network.breaks('sendMessage', { how: 'dropped' })
    post.show('turn/1', answer('once'))
    await eventually(() => network.calls('editMessageText').length > 0, 'the search')
    back = 3_600_000
    await post.settled(1)
    assert.deepEqual(post.texts, ['once'])
  })

  test('is sent again in a busy chat, too: to look for it takes nothing of what the chat may have', async () => {
    let ahead = 0
    const post = await Post.open({ limits: { flood: true }, now: () => Date.now() + ahead })
    await using stage = post.stage
    const { network } = stage
    network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    // Room for a message comes once a second from now on.
    for (let n = 1; n <= 5; n += 1) {
      post.show(`turn/${n}`, answer(`message ${n}`))
      await post.settled(n)
      ahead += 1000
    }
    network.breaks('sendMessage', { how: 'dropped' })
    post.show('turn/6', answer('once'))
    await post.settled(6)
    assert.equal(post.texts.at(-1), 'once')
  })

  test('is looked for from where the search was sent away, so that it comes to an end', async () => {
    const limits = { flood: true, missesPerSecond: 8, firstPenaltySeconds: 1, longestPenaltySeconds: 1 }
    const post = await Post.open({ limits })
    await using stage = post.stage
    const { network } = stage
    network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    network.breaks('sendMessage', { how: 'dropped' })
    post.show('turn/1', answer('once'))
    await post.settled(1)
    assert.deepEqual(post.texts, ['once'])
    assert.ok(
      network
        .calls('editMessageText')
        .some(({ outcome }) => outcome?.ok === false && /Too Many/.test(outcome.description)),
    )
  })

  test('that comes late all the same is marked in the trace', async () => {
    const post = await Post.open()
    await using stage = post.stage
    stage.network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    stage.network.breaks('sendMessage', { how: 'slow', ms: 2500 })
    post.show('turn/1', noticeView('slow'))
    await post.settled(1)
    await eventually(() => post.texts.length === 2, 'the late one')
    const ref = String(stage.network.posts(owner)[0]?.message_id)
    assert.ok(post.store.trace(ref).some(({ event }) => event === 'sent again'))
  })
})
