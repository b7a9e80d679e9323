import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'
import { eventually } from '../../../tests/support/eventually.ts'

describe('the fake network: HTTP', () => {
  test('takes parameters as JSON, as a form, as parts and in the address, whatever the case of the method', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    network.person(5).starts()
    const url = `${network.apiRoot}/bot${network.token}/SENDmessage`
    const entities = JSON.stringify([{ type: 'bold', offset: 0, length: 1 }])
    const form = new FormData()
    form.set('chat_id', '5')
    form.set('text', 'c')
    form.set('entities', entities)
    const bodies = [
      { method: 'POST', body: new URLSearchParams({ chat_id: '5', text: 'b', entities }) },
      { method: 'POST', body: form },
      {},
    ]
    assert.equal((await wire.call('sendMessage', { chat_id: 5, text: 'a' })).ok, true)
    for (const body of bodies) {
      const query = 'body' in body ? '' : `?chat_id=5&text=d&entities=${encodeURIComponent(entities)}`
      assert.equal((await fetch(url + query, body)).status, 200)
    }
    assert.deepEqual(
      network.posts(5).map(({ text }) => text),
      ['a', 'b', 'c', 'd'],
    )
  })

  test('knows one token and its own methods, and lints parameters that it does not know', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    assert.equal((await fetch(`${network.apiRoot}/bot1:AAAAAAAAAAAA/getMe`)).status, 401)
    assert.equal((await fetch(`${network.apiRoot}/nothing`)).status, 404)
    await wire.refused('sendSticker', {}, /method not found/, 404)
    await wire.call('getMe', { speling: 1 })
    assert.deepEqual(network.lints, ['getMe has no parameter speling'])
    network.revoke()
    await wire.refused('getMe', {}, /Unauthorized/, 401)
  })

  test('never writes the token down', async () => {
    await using wire = await Wire.start()
    await wire.call('getMe')
    assert.ok(!JSON.stringify(wire.network.history).includes(wire.network.token))
  })

  test('breaks as it is told, and then no more', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    network.person(5).starts()
    const send = () => wire.call('sendMessage', { chat_id: 5, text: 'x' })
    network.breaks('sendMessage', { how: 'dropped' })
    await assert.rejects(send)
    assert.equal(network.posts(5).length, 0)
    network.breaks('sendMessage', { how: 'answer-lost' })
    await assert.rejects(send)
    assert.equal(network.posts(5).length, 1)
    network.breaks('sendMessage', { how: 'half-answer' })
    await assert.rejects(send)
    assert.equal(network.posts(5).length, 2)
    network.breaks('sendMessage', { how: 'bad-gateway' })
    await assert.rejects(send, SyntaxError)
    network.breaks('sendMessage', { how: 'server-error' })
    assert.equal((await send()).status, 500)
    network.breaks('sendMessage', { how: 'flood', seconds: 9 })
    assert.deepEqual((await send()).parameters, { retry_after: 9 })
    network.breaks('sendMessage', { how: 'hangs' })
    await assert.rejects(wire.call('sendMessage', { chat_id: 5, text: 'x' }, AbortSignal.timeout(50)))
    assert.equal(network.posts(5).length, 2)
    await network.down()
    await assert.rejects(send)
    await network.up()
    assert.equal((await send()).ok, true)
  })
})

describe('the fake network: getUpdates', () => {
  test('confirms only by an offset that is higher', async () => {
    await using wire = await Wire.start()
    const person = wire.network.person(5)
    for (const text of ['a', 'b', 'c']) person.writes(text)
    assert.deepEqual(await wire.updates(), [1000, 1001, 1002])
    assert.deepEqual(await wire.updates(1000), [1000, 1001, 1002])
    assert.deepEqual(await wire.updates(1001), [1001, 1002])
    assert.deepEqual(await wire.updates(5), [1001, 1002])
  })

  test('confirms nothing by an offset that is far too high, and forgets by a negative one', async () => {
    await using wire = await Wire.start()
    const person = wire.network.person(5)
    for (const text of ['a', 'b', 'c']) person.writes(text)
    assert.deepEqual(await wire.updates(1013), [1000, 1001, 1002])
    assert.deepEqual(await wire.updates(-1), [1002])
    assert.deepEqual(await wire.updates(1012), [])
  })

  test('gives one update at a time to whoever asks for the same too often', async () => {
    await using wire = await Wire.start()
    wire.network.world.freeze()
    const person = wire.network.person(5)
    person.writes('a')
    person.writes('b')
    assert.deepEqual(await wire.updates(1000), [1000, 1001])
    assert.deepEqual(await wire.updates(1000), [1000])
  })

  test('holds a poll until something comes, also when the first client is gone', async () => {
    await using wire = await Wire.start()
    const gone = new AbortController()
    const first = wire.call('getUpdates', { timeout: 20 }, gone.signal)
    await eventually(() => wire.network.world.updates.someoneWaits, 'the poll')
    gone.abort()
    await assert.rejects(first)
    await eventually(() => !wire.network.world.updates.someoneWaits, 'the end of the poll')
    const second = wire.call('getUpdates', { timeout: 20, offset: 1 })
    await eventually(() => wire.network.world.updates.someoneWaits, 'the second poll')
    wire.network.person(5).writes('a')
    assert.equal((await second).result.length, 1)
  })

  test('sends the older of two away who wait', async () => {
    await using wire = await Wire.start()
    const older = wire.call('getUpdates', { timeout: 20 })
    await eventually(() => wire.network.world.updates.someoneWaits, 'the poll')
    const younger = wire.call('getUpdates', { timeout: 20, offset: 1 })
    const answer = await older
    assert.equal(answer.status, 409)
    assert.match(answer.description ?? '', /^Conflict: terminated by other getUpdates request/)
    await eventually(() => wire.network.world.updates.someoneWaits, 'the younger poll')
    wire.network.person(5).writes('a')
    assert.equal((await younger).result.length, 1)
  })

  test('is refused beside a webhook', async () => {
    await using wire = await Wire.start()
    wire.network.world.updates.webhook = 'https://example.com'
    await wire.refused('getUpdates', {}, /webhook is active/, 409)
    await wire.call('deleteWebhook')
    assert.deepEqual(await wire.updates(), [])
  })

  test('forgets updates after a day, and presses after minutes', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const person = network.person(5)
    person.writes('a')
    const markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 't' }]] }
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: '?', reply_markup: markup })
    person.presses(result.message_id, 'Yes')
    assert.equal(network.world.updates.pending.length, 2)
    network.world.advance(151_000)
    assert.equal(network.world.updates.pending.length, 1)
    network.world.advance(24 * 3_600_000)
    assert.equal(network.world.updates.pending.length, 0)
  })

  test('sends only the kinds that were asked for last', async () => {
    await using wire = await Wire.start()
    const person = wire.network.person(5)
    await wire.call('getUpdates', { allowed_updates: ['edited_message', 'nonsense'] })
    person.edits(person.writes('a'), 'b')
    assert.deepEqual(
      wire.network.world.updates.pending.map((update) => Object.keys(update)[1]),
      ['edited_message'],
    )
    assert.deepEqual(wire.network.lints, ['allowed_updates names nonsense, which is no kind of update'])
  })
})

describe('the fake network: text', () => {
  test('is counted in code points, after it was trimmed', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const send = (text: string) => wire.call('sendMessage', { chat_id: 5, text })
    assert.equal((await send('😀'.repeat(4096))).ok, true)
    await wire.refused('sendMessage', { chat_id: 5, text: 'x'.repeat(4097) }, /message is too long/)
    await wire.refused('sendMessage', { chat_id: 5, text: '' }, /message text is empty/)
    await wire.refused('sendMessage', { chat_id: 5 }, /message text is empty/)
    for (const blank of [' ', '\n\n', '\u200B', '\u2060 \u3164', '\uFE0F']) {
      await wire.refused('sendMessage', { chat_id: 5, text: blank }, /text must be non-empty/)
    }
    assert.equal((await send('  a \n')).result.text, 'a')
    assert.equal((await send('a\tb')).result.text, 'a b')
    assert.ok(wire.network.lints.length >= 2)
  })

  test('has looks that keep within it, and links that Telegram takes', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const bad = (text: string, entity: object, why: RegExp) =>
      wire.refused('sendMessage', { chat_id: 5, text, entities: [entity] }, why)
    await bad('abc', { type: 'bold', offset: 2, length: 2 }, /ends after the end of the text/)
    await bad('abc', { type: 'bold', offset: -1, length: 2 }, /incorrect offset/)
    await bad('a😀', { type: 'bold', offset: 0, length: 2 }, /ends in a middle of a UTF-16 symbol/)
    await bad('😀a', { type: 'bold', offset: 1, length: 2 }, /begins in a middle of a UTF-16 symbol/)
    await bad('abc', { type: 'shiny', offset: 0, length: 1 }, /unsupported entity type/)
    const urls = [
      '',
      'localhost',
      'http://localhost',
      'src/a.ts',
      'file:///a',
      'vscode://a',
      'http://a.b:0',
      'http://u@a.b',
    ]
    for (const url of urls) await bad('abc', { type: 'text_link', offset: 0, length: 1, url }, /Entity URL/)
    for (const url of [
      'https://a.bc',
      'http://1.2.3.4:80/x?y#z',
      'tg://user?id=1',
      'https://bücher.example/ü',
    ]) {
      const entities = [{ type: 'text_link', offset: 0, length: 3, url }]
      assert.equal((await wire.call('sendMessage', { chat_id: 5, text: 'abc', entities })).ok, true, url)
    }
  })

  test('lints what the server would mend', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const lints = async (...entities: readonly object[]): Promise<number> => {
      const before = wire.network.lints.length
      const text = `abc def ${wire.network.history.length}`
      assert.equal((await wire.call('sendMessage', { chat_id: 5, text, entities })).ok, true)
      return wire.network.lints.length - before
    }
    assert.equal(
      await lints({ type: 'bold', offset: 0, length: 7 }, { type: 'italic', offset: 4, length: 3 }),
      0,
    )
    assert.equal(
      await lints({ type: 'blockquote', offset: 0, length: 7 }, { type: 'pre', offset: 4, length: 3 }),
      0,
    )
    assert.equal(
      await lints({ type: 'bold', offset: 0, length: 7 }, { type: 'code', offset: 4, length: 3 }),
      1,
    )
    assert.equal(
      await lints({ type: 'bold', offset: 0, length: 5 }, { type: 'italic', offset: 4, length: 3 }),
      1,
    )
    assert.equal(await lints({ type: 'bold', offset: 3, length: 1 }), 1)
    const many = Array.from({ length: 101 }, () => ({ type: 'bold', offset: 0, length: 3 }))
    assert.ok((await lints(...many)) > 0)
    assert.equal(wire.network.posts(5).at(-1)?.entities?.length, 100)
  })
})

describe('the fake network: messages', () => {
  test('are edited only where they are the own, and only into something else', async () => {
    await using wire = await Wire.start()
    const person = wire.network.person(5)
    const theirs = person.writes('a')
    const markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 't' }]] }
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: 'b', reply_markup: markup })
    const edit = { chat_id: 5, message_id: result.message_id, text: 'b' }
    await wire.refused('editMessageText', { ...edit, reply_markup: markup }, /message is not modified/)
    assert.equal((await wire.call('editMessageText', edit)).ok, true)
    assert.equal(
      wire.network.posts(5)[0]?.reply_markup,
      undefined,
      'a keyboard that is left out is taken away',
    )
    await wire.refused('editMessageText', edit, /message is not modified/)
    await wire.refused('editMessageText', { ...edit, message_id: 999 }, /message to edit not found/)
    await wire.refused('editMessageText', { ...edit, message_id: theirs }, /message can't be edited/)
    assert.equal((await wire.call('deleteMessage', edit)).ok, true)
    await wire.refused('deleteMessage', edit, /message to delete not found/)
  })

  test('have buttons with data that fits', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const send = (button: object) => ({
      chat_id: 5,
      text: 'x',
      reply_markup: { inline_keyboard: [[button]] },
    })
    await wire.refused(
      'sendMessage',
      send({ text: 'a', callback_data: 'x'.repeat(65) }),
      /BUTTON_DATA_INVALID/,
    )
    await wire.refused(
      'sendMessage',
      send({ text: 'a', callback_data: 'ü'.repeat(33) }),
      /BUTTON_DATA_INVALID/,
    )
    await wire.refused('sendMessage', send({ text: ' ', callback_data: 'x' }), /must be non-empty/)
    await wire.refused('sendMessage', send({ text: 'a' }), /text buttons are unallowed/)
    await wire.refused('sendMessage', send({ text: 'a', callback_data: 'x', style: 'pink' }), /button style/)
    assert.equal(
      (await wire.call('sendMessage', send({ text: 'a', callback_data: 'x'.repeat(64) }))).ok,
      true,
    )
  })

  test('are pressed, and a press is answered once and soon', async () => {
    await using wire = await Wire.start()
    const person = wire.network.person(5).starts()
    const markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 't' }]] }
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: '?', reply_markup: markup })
    const id = person.presses(result.message_id, 'Yes')
    assert.equal((await wire.call('answerCallbackQuery', { callback_query_id: id })).ok, true)
    await wire.refused('answerCallbackQuery', { callback_query_id: id }, /query is too old/)
    const late = person.presses(result.message_id, 'Yes')
    wire.network.world.advance(16_000)
    await wire.refused('answerCallbackQuery', { callback_query_id: late }, /query is too old/)
  })

  test('are numbered by each supergroup for itself', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const person = network.person(5)
    const other = network.person(6)
    const [one, two] = [network.group(-1001), network.group(-1002)]
    assert.notEqual(person.writes('a'), other.writes('a'))
    assert.equal(person.writes('a', { in: one }), person.writes('a', { in: two }))
  })

  test('go into topics that are there, open, and not General', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const forum = network.group(-1001, { forum: true })
    const topic = forum.topic('Work')
    const send = (thread: number) => ({ chat_id: -1001, text: `to ${thread}`, message_thread_id: thread })
    const { result } = await wire.call('sendMessage', send(topic))
    assert.deepEqual([result.message_thread_id, result.is_topic_message], [topic, true])
    assert.equal(result.reply_to_message?.message_id, topic, 'it answers the one that opened the topic')
    for (const thread of [1, 999]) await wire.refused('sendMessage', send(thread), /message thread not found/)
    await wire.refused('sendChatAction', { ...send(999), action: 'typing' }, /message thread not found/)
    forum.closesTopic(topic)
    await wire.refused('sendMessage', send(topic), /TOPIC_CLOSED/)
    forum.deletesTopic(topic)
    await wire.refused('sendMessage', send(topic), /message thread not found/)
    network.group(-1002)
    assert.equal(
      (await wire.call('sendMessage', { chat_id: -1002, text: 'x', message_thread_id: 7 })).ok,
      true,
    )
    assert.match(network.lints.at(-1) ?? '', /in a chat without topics/)
  })

  test('reach only those who have begun, and have not ended it', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const send = (chat: number) => ({ chat_id: chat, text: 'x' })
    await wire.refused('sendMessage', send(1), /chat not found/)
    const person = network.person(5)
    await wire.refused('sendMessage', send(5), /can't initiate conversation/, 403)
    person.starts()
    person.blocks()
    await wire.refused('sendMessage', send(5), /bot was blocked by the user/, 403)
    person.deletesAccount()
    await wire.refused('sendMessage', send(5), /user is deactivated/, 403)
    const group = network.group(-7)
    person.removes(group)
    await wire.refused('sendMessage', send(-7), /bot was kicked from the group chat/, 403)
    await wire.refused('leaveChat', send(-7), /not a member/, 403)
    person.adds(group)
    assert.equal((await wire.call('leaveChat', { chat_id: -7 })).ok, true)
    await wire.refused('sendMessage', send(-7), /not a member of the group chat/, 403)
    const old = network.group(-8)
    old.moves(-1008)
    const { parameters } = await wire.refused('sendMessage', send(-8), /upgraded to a supergroup/)
    assert.equal(parameters?.migrate_to_chat_id, -1008)
  })

  test('of a group are seen by a bot without rights only where they are meant for it', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    network.world.readsGroups = false
    const person = network.person(5)
    const group = network.group(-1001)
    const { result } = await wire.call('sendMessage', { chat_id: -1001, text: 'hi' })
    person.writes('among us', { in: group })
    person.writes('@ductor_bot go', { in: group })
    person.writes('/new', { in: group })
    person.writes('yes', { in: group, replyTo: result.message_id })
    assert.equal(network.world.updates.pending.length, 3)
  })
})

describe('the fake network: how many calls', () => {
  test('one a second to a person, with a few more at first', async () => {
    await using wire = await Wire.start({ limits: {} })
    const { network } = wire
    network.world.freeze()
    network.person(5).starts()
    const send = (text: string) => wire.call('sendMessage', { chat_id: 5, text })
    for (const text of ['1', '2', '3', '4', '5']) assert.equal((await send(text)).ok, true)
    const { parameters } = await wire.refused('sendMessage', { chat_id: 5, text: '6' }, /retry after 3/, 429)
    assert.equal(parameters?.retry_after, 3)
    assert.deepEqual(network.lints, [])
    await wire.refused('sendMessage', { chat_id: 5, text: '7' }, /Too Many Requests/, 429)
    assert.match(network.lints[0] ?? '', /inside the time of rest/)
    network.world.advance(10_000)
    assert.equal((await send('8')).ok, true)
  })

  test('twenty a minute to a group, edits among them, and the rest grows longer', async () => {
    await using wire = await Wire.start({ limits: {} })
    const { network } = wire
    network.world.freeze()
    network.group(-1001)
    const { result } = await wire.call('sendMessage', { chat_id: -1001, text: '0' })
    const edit = (text: string) => ({ chat_id: -1001, message_id: result.message_id, text })
    for (let count = 1; count < 20; count += 1)
      assert.equal((await wire.call('editMessageText', edit(`${count}`))).ok, true)
    await wire.refused('editMessageText', edit('20'), /retry after 3/, 429)
    network.world.advance(3500)
    await wire.refused('editMessageText', edit('20'), /retry after 6/, 429)
    network.world.advance(60_000)
    assert.equal((await wire.call('editMessageText', edit('20'))).ok, true)
  })
})
