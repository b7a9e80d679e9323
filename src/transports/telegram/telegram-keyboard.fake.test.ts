import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

describe('the fake network: buttons and presses', () => {
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
  })

  test('a button does one thing: it opens an address that Telegram takes, or copies 256 characters', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const send = (button: object) => ({
      chat_id: 5,
      text: JSON.stringify(button),
      reply_markup: { inline_keyboard: [[{ text: 'a', ...button }]] },
    })
    const good = [
      { url: 'https://a.bc' },
      { url: 'tg://user?id=1' },
      { copy_text: { text: '😀'.repeat(256) } },
    ]
    for (const button of good) assert.ok((await wire.call('sendMessage', send(button))).ok)
    for (const url of ['http://localhost', 'file:///a', 'a/b.ts', '']) {
      await wire.refused('sendMessage', send({ url }), /button URL/)
    }
    for (const text of ['', 'x'.repeat(257)]) {
      await wire.refused('sendMessage', send({ copy_text: { text } }), /COPY_TEXT_INVALID/)
    }
    await wire.refused('sendMessage', send({ url: 'https://a.bc', callback_data: 'x' }), /exactly one action/)
  })

  test('a press that is not answered is linted, and one that the bot never saw is not', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const person = network.person(5).starts()
    const markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 't' }]] }
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: '?', reply_markup: markup })
    person.presses(result.message_id, 'Yes')
    network.world.advance(16_000)
    assert.deepEqual(network.lints, [])
    await wire.call('getUpdates', { timeout: 10 })
    assert.equal(network.lints.length, 1)
    assert.match(network.lints[0] ?? '', /was never answered/)
  })
})
