import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

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

  test('have a hundred buttons at most, eight in a row, and links that lead somewhere', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const send = (...rows: object[][]) => ({ chat_id: 5, text: 'x', reply_markup: { inline_keyboard: rows } })
    const button = { text: 'a', callback_data: 'x' }
    const row = (length: number) => Array.from({ length }, () => button)
    const ten = Array.from({ length: 20 }, () => row(5))
    assert.ok((await wire.call('sendMessage', send(...ten))).ok)
    await wire.refused('sendMessage', send(...ten, row(1)), /REPLY_MARKUP_TOO_LONG/)
    await wire.refused('sendMessage', send(row(9)), /REPLY_MARKUP_TOO_LONG/)
    await wire.refused('sendMessage', send([]), /row is empty/)
    for (const url of ['localhost', 'http://localhost', 'file:///a', 'a b'])
      await wire.refused('sendMessage', send([{ text: 'a', url }]), /button URL/)
    assert.ok((await wire.call('sendMessage', send([{ text: 'a', url: 'https://a.bc' }]))).ok)
    const copies = send([{ text: 'a', copy_text: { text: 'x' } }])
    await wire.refused('sendMessage', copies, /can't parse reply keyboard markup/)
  })

  test('whose press nobody has answered in time are linted', async () => {
    await using wire = await Wire.start()
    const person = wire.network.person(5).starts()
    const markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 't' }]] }
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: '?', reply_markup: markup })
    person.presses(result.message_id, 'Yes')
    await wire.call('getMe')
    assert.deepEqual(wire.network.lints, [])
    wire.network.world.advance(15_001)
    await wire.call('getMe')
    assert.match(wire.network.lints.join(), /press .* was never answered/)
  })

  test('that answer something need it to be there, unless they say that they do not', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const reply = (more: object = {}) => ({
      chat_id: 5,
      text: 'a',
      reply_parameters: { message_id: 999, ...more },
    })
    await wire.refused('sendMessage', reply(), /message to be replied not found/)
    assert.ok((await wire.call('sendMessage', reply({ allow_sending_without_reply: true }))).ok)
  })

  test('that answer in a plain supergroup have a thread that is no topic', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const group = network.group(-1001)
    const first = network.person(5).writes('a', { in: group })
    const reply = { chat_id: -1001, text: 'b', reply_parameters: { message_id: first } }
    const { result } = await wire.call('sendMessage', reply)
    assert.deepEqual([result.message_thread_id, result.is_topic_message], [first, undefined])
  })

  test('need the right to send in a group that has taken it away', async () => {
    await using wire = await Wire.start()
    wire.network.group(-1001)
    const chat = wire.network.world.chats.get(-1001)
    assert.ok(chat !== undefined)
    chat.bot = 'restricted'
    await wire.refused('sendMessage', { chat_id: -1001, text: 'a' }, /not enough rights to send/)
  })

  test('of people are deleted by administrators alone, and the own for two days', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const group = network.group(-1001)
    const theirs = network.person(5).writes('a', { in: group })
    const { result } = await wire.call('sendMessage', { chat_id: -1001, text: 'b' })
    const remove = (id: number) => ({ chat_id: -1001, message_id: id })
    await wire.refused('deleteMessage', remove(theirs), /can't be deleted/)
    network.world.advance(48 * 3_600_000 + 1000)
    await wire.refused('deleteMessage', remove(result.message_id), /can't be deleted/)
  })
})
