import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import type { Place } from '../../core/message.ts'
import type { Content } from '../../core/transport.ts'
import { Stage, type StageOptions } from './stage.fake.ts'

const owner = 4711
const privately: Place = { key: `tg:${owner}`, transport: 'telegram', chat: String(owner) }
const inGroup: Place = { key: 'tg:-1001', transport: 'telegram', chat: '-1001' }
const says = (text: string): Content => ({ text, entities: [] })

async function open(options: StageOptions = {}): Promise<Stage> {
  const stage = await Stage.open(options)
  stage.network.person(owner).starts()
  return stage
}

async function show(stage: Stage, text: string, key = 'turn/1'): Promise<void> {
  await stage.transport.preview(privately)?.(says(text), key)
}

describe('a draft on Telegram', () => {
  test('is shown in private chats, changes as the turn goes on, and ends with the answer', async () => {
    await using stage = await open()
    const { network, transport } = stage
    await show(stage, 'Look')
    await show(stage, 'Looking **')
    assert.equal(network.draft(owner)?.text, 'Looking **')
    assert.deepEqual(network.posts(owner), [])
    const ids = network.calls('sendMessageDraft').map(({ parameters }) => parameters['draft_id'])
    assert.equal(new Set(ids).size, 1, 'one draft that changes')
    await transport.deliver(
      { type: 'post', place: privately, content: says('Found'), key: 'turn/1/0/p0', notify: true },
      stage.signal,
    )
    assert.equal(network.draft(owner), undefined)
    assert.equal(transport.preview(inGroup), undefined)
    assert.deepEqual(network.lints, [])
  })

  test('stays as long as its turn runs, and comes back after a message; it does not outlive its turn', async () => {
    let now = Date.now()
    await using stage = await open({ now: () => now })
    const { network, transport } = stage
    network.world.freeze()
    const pass = (ms: number): void => {
      now += ms
      network.world.advance(ms)
    }
    await show(stage, 'long work')
    for (let n = 0; n < 10; n += 1) {
      pass(4000)
      await transport.typing(privately, true)
    }
    assert.equal(network.draft(owner)?.text, 'long work')
    assert.ok(network.calls('sendMessageDraft').length <= 4, 'it is not shown more often than it must')
    await transport.deliver(
      { type: 'post', place: privately, content: says('May I?'), key: 'ask/1', notify: true },
      stage.signal,
    )
    await transport.typing(privately, true)
    assert.equal(network.draft(owner)?.text, 'long work')
    await transport.typing(privately, false)
    pass(31_000)
    await transport.typing(privately, true)
    assert.equal(network.draft(owner), undefined)
    assert.deepEqual(network.lints, [])
  })

  test('has Telegram’s own Stop button, which says /stop, and is not shown any more then', async () => {
    await using stage = await open()
    const { network } = stage
    await stage.connect()
    await show(stage, '1 2 3')
    network.person(owner).stops()
    const [stop] = await stage.taken(1)
    assert.ok(stop?.kind === 'message')
    assert.equal(stop.text, '/stop')
    assert.equal(stop.sender.id, String(owner))
    assert.deepEqual(stop.place, privately)
    await show(stage, '1 2 3 4')
    assert.equal(network.calls('sendMessageDraft').length, 1)
    assert.deepEqual(network.lints, [])
  })

  test('makes way for edits where the server does not know it', async () => {
    await using stage = await open()
    stage.network.world.offersDrafts = false
    await assert.rejects(show(stage, 'hello'))
    assert.equal(stage.transport.preview(privately), undefined)
    await using forced = await open({ settings: { streaming: { telegram: 'drafts' } } })
    forced.network.world.offersDrafts = false
    await assert.rejects(show(forced, 'hello'))
    assert.notEqual(forced.transport.preview(privately), undefined)
    await using edited = await open({ settings: { streaming: { telegram: 'edits' } } })
    assert.equal(edited.transport.preview(privately), undefined)
  })

  test('is shown again to whoever has blocked the bot and lets it in again, and where its topic is gone', async () => {
    await using stage = await open()
    const { network, transport } = stage
    const person = network.person(owner)
    const topic = person.topic('Taxes')
    await stage.connect()
    person.writes('go')
    await stage.taken(1)
    const held = transport.preview(privately)
    person.blocks()
    await assert.rejects(Promise.resolve(held?.(says('blocked'), 'turn/1')))
    await eventually(() => transport.preview(privately) === undefined, 'the block')
    person.unblocks()
    await eventually(() => transport.preview(privately) !== undefined, 'the way back')
    await show(stage, 'here again')
    assert.equal(network.draft(owner)?.text, 'here again')
    const inTopic = { ...privately, key: `${privately.key}:${topic}`, thread: String(topic) }
    person.deletesTopic(topic)
    await assert.rejects(Promise.resolve(transport.preview(inTopic)?.(says('gone'), 'turn/2')))
    await transport.deliver(
      { type: 'post', place: inTopic, content: says('gone'), key: 'turn/2/0/p0', notify: true },
      stage.signal,
    )
    await transport.preview(inTopic)?.(says('next'), 'turn/2')
    assert.equal(network.draft(owner)?.text, 'next')
  })

  test('rests when there were too many, and never becomes a message for that', async () => {
    let now = Date.now()
    await using stage = await open({ now: () => now })
    stage.network.breaks('sendMessageDraft', { how: 'flood', seconds: 5 })
    await assert.rejects(show(stage, 'a'))
    assert.notEqual(stage.transport.preview(privately), undefined)
    await show(stage, 'ab')
    assert.equal(stage.network.draft(owner), undefined)
    now += 5001
    await show(stage, 'abc')
    assert.equal(stage.network.draft(owner)?.text, 'abc')
    assert.equal(stage.transport.progressPaceMs(privately), 700)
  })

  test('is that of one turn: two in one chat do not take turns on the screen', async () => {
    let now = Date.now()
    await using stage = await open({ now: () => now })
    await show(stage, 'one', 'turn/1')
    await show(stage, 'two', 'turn/2')
    assert.equal(stage.network.draft(owner)?.text, 'one')
    now += 20_001
    await show(stage, 'two, still', 'turn/2')
    assert.equal(stage.network.draft(owner)?.text, 'two, still')
  })

  test('that hangs does not keep the answer waiting', async () => {
    await using stage = await open()
    stage.network.breaks('sendMessageDraft', { how: 'hangs' })
    const begun = Date.now()
    await assert.rejects(show(stage, 'a'))
    assert.ok(Date.now() - begun < 10_000)
  })
})

describe('courtesies on Telegram', () => {
  test('the person’s message says that a turn runs, until it is answered; or that it failed', async () => {
    await using stage = await open()
    const { network, transport } = stage
    const id = network.person(owner).writes('do it')
    const mark = (how: 'seen' | 'working' | 'done' | 'failed') => transport.mark(privately, String(id), how)
    await mark('seen')
    assert.equal(network.reaction(owner, id), undefined)
    await mark('working')
    assert.equal(network.reaction(owner, id), '✍')
    await mark('done')
    assert.equal(network.reaction(owner, id), undefined)
    await mark('failed')
    assert.equal(network.reaction(owner, id), '💔')
    await transport.mark(privately, 'stop of draft 7', 'done')
  })

  test('marks of one message come in their order, and only those that are wanted', async () => {
    await using stage = await open({ settings: { scene: { seen_reaction: true, status_reaction: false } } })
    const { network, transport } = stage
    const id = network.person(owner).writes('do it')
    network.breaks('setMessageReaction', { how: 'slow', ms: 100 })
    await Promise.all([
      transport.mark(privately, String(id), 'seen'),
      transport.mark(privately, String(id), 'working'),
      transport.mark(privately, String(id), 'done'),
    ])
    assert.equal(network.reaction(owner, id), undefined)
    assert.equal(network.calls('setMessageReaction').length, 2)
  })

  test('a press that nobody answers is answered in time, without a word', async (t) => {
    await using stage = await open()
    const { network, transport } = stage
    const [content = {}] = transport.render({
      state: 'ended',
      parts: [{ kind: 'notice', text: '?' }],
      choices: [{ token: 't', label: 'Yes' }],
    })
    const ref = await transport.deliver(
      { type: 'post', place: privately, content, key: 'ask', notify: true },
      stage.signal,
    )
    await stage.connect()
    network.person(owner).presses(Number(ref), 'Yes')
    const [press] = await stage.taken(1)
    await eventually(() => network.calls('answerCallbackQuery').length === 1, 'the answer')
    assert.equal(network.calls('answerCallbackQuery')[0]?.parameters['text'], undefined)
    assert.ok(press?.kind === 'press')
    await transport.answerPress(press, 'too late')
    assert.equal(network.calls('answerCallbackQuery').length, 1, 'a press has one answer')
    t.diagnostic('waits 4 s, as a person would')
  })
})
