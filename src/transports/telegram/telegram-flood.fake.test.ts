import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

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

  test('thirty a second to all chats together', async () => {
    await using wire = await Wire.start({ limits: {} })
    const { network } = wire
    network.world.freeze()
    for (let chat = 1; chat <= 31; chat += 1) network.person(chat).starts()
    for (let chat = 1; chat <= 30; chat += 1)
      assert.ok((await wire.call('sendMessage', { chat_id: chat, text: 'a' })).ok)
    await wire.refused('sendMessage', { chat_id: 31, text: 'a' }, /Too Many Requests/, 429)
    network.world.advance(3001)
    assert.ok((await wire.call('sendMessage', { chat_id: 31, text: 'a' })).ok)
  })

  test('the rest that is asked for doubles each time, up to four minutes', async () => {
    await using wire = await Wire.start({ limits: { privateBurst: 1, privatePerSecond: 0.001 } })
    wire.network.world.freeze()
    wire.network.person(5).starts()
    assert.ok((await wire.call('sendMessage', { chat_id: 5, text: 'a' })).ok)
    const rests: (number | undefined)[] = []
    for (let count = 0; count < 9; count += 1) {
      const answer = await wire.refused('sendMessage', { chat_id: 5, text: 'a' }, /Too Many/, 429)
      const seconds = answer.parameters?.retry_after ?? 0
      rests.push(seconds)
      wire.network.world.advance(seconds * 1000)
    }
    assert.deepEqual(rests, [3, 6, 12, 24, 48, 96, 192, 240, 240])
  })

  test('as many as one likes where it is switched off', async () => {
    await using wire = await Wire.start()
    wire.network.world.freeze()
    wire.network.person(5).starts()
    for (let count = 1; count <= 40; count += 1)
      assert.ok((await wire.call('sendMessage', { chat_id: 5, text: `${count}` })).ok)
  })
})
