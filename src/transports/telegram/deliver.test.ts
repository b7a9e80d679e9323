import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import type { Place, Press } from '../../core/message.ts'
import { DeliveryError, type Content, type Operation } from '../../core/transport.ts'
import { noticeView } from '../../core/view.ts'
import { Stage } from './stage.fake.ts'

const owner = 4711
const privately: Place = { key: `tg:${owner}`, transport: 'telegram', chat: String(owner) }
const secret = 'nobody may read this in a log'

async function open(): Promise<Stage> {
  const stage = await Stage.open({ tempo: { callTimeoutMs: 300 } })
  stage.network.person(owner).starts()
  return stage
}

function says(text: string): Content {
  return { text, entities: [] }
}

function post(content: Content = says(secret), more: Partial<Operation> = {}): Operation {
  return { type: 'post', place: privately, content, key: 'k', notify: true, ...more } as Operation
}

function edit(ref: string, text = secret): Operation {
  return { type: 'edit', place: privately, content: says(text), key: 'e', ref }
}

function remove(ref: string): Operation {
  return { type: 'delete', place: privately, key: 'd', ref }
}

/** How the delivery failed. It must say why, and neither the token nor the text. */
async function failure(stage: Stage, operation: Operation): Promise<DeliveryError> {
  const error = await stage.transport.deliver(operation, stage.signal).then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof DeliveryError)) assert.fail(`deliver threw ${String(error)}`)
  const said = stage.everythingSaid(error)
  assert.ok(!said.includes(secret), said)
  assert.ok(!said.includes(stage.network.token.split(':')[1] ?? ''), said)
  assert.match(error.message, /\S/)
  return error
}

describe('a delivery to Telegram', () => {
  test('is quiet or not, answers, goes into its topic, and shows no preview', async () => {
    await using stage = await open()
    const team = stage.network.group(-1001, { forum: true })
    const topic = team.topic('Work')
    const asked = stage.network.person(1).writes('do it', { in: team, topic })
    const place: Place = {
      key: `tg:-1001:${topic}`,
      transport: 'telegram',
      chat: '-1001',
      thread: String(topic),
    }
    const operation: Operation = {
      type: 'post',
      place,
      content: says('done'),
      key: 'k',
      notify: false,
      replyTo: String(asked),
    }
    const ref = await stage.transport.deliver(operation, stage.signal)
    const [message] = stage.network.posts(-1001).slice(1)
    assert.equal(String(message?.message_id), ref)
    assert.equal(message?.message_thread_id, topic)
    assert.equal(message?.reply_to_message?.message_id, asked)
    assert.equal(message?.['silent'], true)
    const [call] = stage.network.calls('sendMessage')
    assert.deepEqual(call?.parameters['link_preview_options'], { is_disabled: true })
    await stage.transport.typing(place, true)
    await stage.transport.typing(place, false)
    assert.equal(stage.network.calls('sendChatAction').length, 1)
    assert.deepEqual(stage.network.lints, [])
  })

  test('goes out also where the message that it answers is gone', async () => {
    await using stage = await open()
    await stage.transport.deliver(post(says('a'), { replyTo: '999' }), stage.signal)
    assert.equal(stage.network.posts(owner).length, 1)
  })

  test('shows buttons, and takes them away with the next edit', async () => {
    await using stage = await open()
    const { transport, network } = stage
    const [asking = {}] = transport.render(
      noticeView('May I?', [{ token: 't', label: 'Yes', style: 'primary' }]),
    )
    const ref = await transport.deliver(post(asking), stage.signal)
    assert.equal(network.posts(owner)[0]?.reply_markup?.inline_keyboard[0]?.[0]?.style, 'primary')
    const [answered = {}] = transport.render(noticeView('May I?'))
    await transport.deliver({ ...edit(ref), content: answered } as Operation, stage.signal)
    assert.equal(network.posts(owner)[0]?.reply_markup, undefined)
  })

  test('is carried out without looks where Telegram refuses the looks, and its links are written out', async () => {
    await using stage = await open()
    const content = {
      text: 'abc',
      entities: [{ type: 'text_link', offset: 0, length: 3, url: 'http://localhost' }],
    }
    const ref = await stage.transport.deliver(post(content), stage.signal)
    assert.equal(stage.network.posts(owner)[0]?.text, 'abc (http://localhost)')
    await stage.transport.deliver(
      { ...edit(ref), content: { ...content, text: 'abcd' } } as Operation,
      stage.signal,
    )
    assert.equal(stage.network.posts(owner)[0]?.text, 'abc (http://localhost)d')
    assert.equal(stage.network.calls('sendMessage').length, 2)
  })

  test('that is no news is as good as made', async () => {
    await using stage = await open()
    const ref = await stage.transport.deliver(post(), stage.signal)
    assert.equal(await stage.transport.deliver(edit(ref), stage.signal), ref)
    assert.equal(await stage.transport.deliver(remove(ref), stage.signal), ref)
    assert.equal(await stage.transport.deliver(remove(ref), stage.signal), ref)
  })

  test('tells a message that is gone', async () => {
    await using stage = await open()
    assert.equal((await failure(stage, edit('999'))).failure, 'gone')
    const notMine = stage.network.person(owner).writes('mine')
    assert.equal((await failure(stage, edit(String(notMine)))).failure, 'gone')
  })

  const faults = [
    ['flood', { how: 'flood', seconds: 7 }, 'rate-limited', 'rate-limited'],
    ['a lost answer', { how: 'answer-lost' }, 'unknown', 'unreachable'],
    ['half an answer', { how: 'half-answer' }, 'unknown', 'unreachable'],
    ['a connection that breaks', { how: 'dropped' }, 'unknown', 'unreachable'],
    ['an answer that never comes', { how: 'hangs' }, 'unknown', 'unreachable'],
    ['trouble of the server', { how: 'server-error' }, 'unknown', 'unreachable'],
    ['the page of a proxy', { how: 'bad-gateway' }, 'unknown', 'unreachable'],
  ] as const

  for (const [name, fault, posting, changing] of faults) {
    test(`that meets ${name} is ${posting} as a post, ${changing} as a change`, async () => {
      await using stage = await open()
      const ref = await stage.transport.deliver(post(says('a')), stage.signal)
      for (const method of ['sendMessage', 'editMessageText', 'deleteMessage'])
        stage.network.breaks(method, fault)
      const posted = await failure(stage, post())
      assert.equal(posted.failure, posting)
      assert.equal(posted.retryAfterMs, fault.how === 'flood' ? 7000 : undefined)
      assert.equal((await failure(stage, edit(ref))).failure, changing)
      assert.equal((await failure(stage, remove(ref))).failure, changing)
    })
  }

  test('whose answer names no message is unknown', async () => {
    await using stage = await open()
    stage.network.breaks('sendMessage', { how: 'garbled' })
    assert.equal((await failure(stage, post())).failure, 'unknown')
  })

  test('cannot reach a network that is down, and was not sent after its end', async () => {
    await using stage = await open()
    await stage.network.down()
    assert.equal((await failure(stage, post())).failure, 'unreachable')
    await stage.network.up()
    const stopped = await stage.transport
      .deliver(post(), AbortSignal.abort())
      .catch((error: unknown) => error)
    assert.ok(stopped instanceof DeliveryError && stopped.failure === 'unreachable')
    assert.equal(stage.network.calls('sendMessage').length, 0)
  })

  test('that is stopped on its way is unknown', async () => {
    await using stage = await open()
    stage.network.breaks('sendMessage', { how: 'hangs' })
    const stop = new AbortController()
    const delivery = stage.transport.deliver(post(), stop.signal).catch((error: unknown) => error)
    await eventually(() => stage.network.calls('sendMessage').length === 1, 'the call')
    stop.abort()
    const error = await delivery
    assert.ok(error instanceof DeliveryError && error.failure === 'unknown')
  })

  test('waits for a valid token rather than give up', async () => {
    await using stage = await open()
    stage.network.revoke()
    assert.equal((await failure(stage, post())).failure, 'unreachable')
  })

  test('is rejected in plain words where it can never work', async () => {
    await using stage = await open()
    const { network } = stage
    const reason = async (chat: number, thread?: number): Promise<string> => {
      const place: Place = {
        key: 'k',
        transport: 'telegram',
        chat: String(chat),
        ...(thread === undefined ? {} : { thread: String(thread) }),
      }
      const error = await failure(stage, post(says(secret), { place }))
      assert.equal(error.failure, 'rejected')
      return error.message
    }
    const person = network.person(5).starts()
    person.blocks()
    assert.match(await reason(5), /has blocked the bot/)
    network.person(6)
    assert.match(await reason(6), /has never written/)
    assert.match(await reason(7), /knows no such chat/)
    const team = network.group(-1001, { forum: true })
    team.chat.bot = 'restricted'
    assert.match(await reason(-1001), /may not write/)
    person.removes(team)
    assert.match(await reason(-1001), /not in that group any more/)
    const alien = await failure(stage, post({ msgtype: 'm.text' }))
    assert.equal(alien.failure, 'rejected')
  })

  test('answers a press, shortly', async () => {
    await using stage = await open()
    const { network, transport } = stage
    const person = network.person(12).starts()
    const place: Place = { key: 'tg:12', transport: 'telegram', chat: '12' }
    const [content = {}] = transport.render(noticeView('?', [{ token: 't', label: 'Yes' }]))
    const ref = await transport.deliver(post(content, { place }), stage.signal)
    await stage.connect()
    person.presses(Number(ref), 'Yes')
    const [press] = await stage.taken(1)
    assert.ok(press?.kind === 'press')
    assert.deepEqual(press.pressed, { token: 't' })
    await transport.answerPress(press satisfies Press, 'x'.repeat(500))
    assert.equal(network.calls('answerCallbackQuery')[0]?.outcome?.ok, true)
  })

  test('is paced by the draft where there is one, by the budget of the chat elsewhere', async () => {
    await using stage = await open()
    assert.ok(stage.transport.progressPaceMs(privately) >= 500)
  })

  test('is not shown before its end where nobody wants to see it', async () => {
    await using stage = await Stage.open({ settings: { streaming: { enabled: false } } })
    assert.equal(stage.transport.progressPaceMs(privately), Infinity)
  })

  test('is paced in groups by their budget, whatever their number of turns', async () => {
    await using stage = await open()
    const { transport } = stage
    const perMinute = 60_000 / transport.progressPaceMs({ ...privately, chat: '-1001' })
    assert.ok(perMinute <= 15, 'five of twenty calls a minute stay for answers')
  })
})
