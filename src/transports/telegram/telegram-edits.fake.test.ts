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

  test('are numbered by each supergroup for itself', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const person = network.person(5)
    const other = network.person(6)
    const [one, two] = [network.group(-1001), network.group(-1002)]
    assert.notEqual(person.writes('a'), other.writes('a'))
    assert.equal(person.writes('a', { in: one }), person.writes('a', { in: two }))
  })

  test('one counter numbers the messages of people and small groups, and no number comes twice', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const [small, large] = [network.group(-7), network.group(-1001)]
    const person = network.person(5)
    const ids = [person.writes('a'), person.writes('b', { in: small }), person.writes('c')]
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    )
    assert.equal(new Set(ids).size, 3)
    const { result } = await wire.call('sendMessage', { chat_id: -1001, text: 'd' })
    await wire.call('deleteMessage', { chat_id: -1001, message_id: result.message_id })
    assert.equal(person.writes('e', { in: large }), result.message_id + 1)
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

  test('an edit of a caption that leaves the keyboard out takes it away', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const document = wire.network.world.files.keep('document', 'a', new Uint8Array([1])).id
    const markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 't' }]] }
    const { result } = await wire.call('sendDocument', { chat_id: 5, document, reply_markup: markup })
    const edit = { chat_id: 5, message_id: result.message_id, caption: 'b' }
    assert.ok((await wire.call('editMessageCaption', edit)).ok)
    assert.equal(wire.network.posts(5)[0]?.reply_markup, undefined)
  })

  test('an edit is no news where text, looks and keyboard are exactly those that are there', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const entities = [{ type: 'bold', offset: 0, length: 1 }]
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: 'abc', entities })
    const edit = { chat_id: 5, message_id: result.message_id, text: 'abc' }
    await wire.refused('editMessageText', { ...edit, entities }, /message is not modified/)
    await wire.refused('editMessageText', { ...edit, text: 'abc ', entities }, /message is not modified/)
    assert.ok((await wire.call('editMessageText', edit)).ok, 'other looks are a change')
    assert.ok((await wire.call('editMessageText', { ...edit, text: 'Abc' })).ok, 'another case is a change')
  })
})
