import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import { Wire } from './telegram-client.fake.ts'
import { networkLimits } from './telegram-limits.fake.ts'

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

  test('keeps to the kinds that were asked for; an empty list is the usual ones, without reactions', async () => {
    await using wire = await Wire.start()
    const { updates } = wire.network.world
    const waiting = () => updates.pending.map((update) => Object.keys(update)[1])
    await wire.call('getUpdates', { allowed_updates: ['message_reaction'] })
    await wire.call('getUpdates')
    updates.push('message', {})
    updates.push('message_reaction', {})
    assert.deepEqual(waiting(), ['message_reaction'])
    await wire.call('getUpdates', { offset: 1001, allowed_updates: [] })
    updates.push('message', {})
    updates.push('message_reaction', {})
    updates.push('chat_member', {})
    assert.deepEqual(waiting(), ['message'])
  })

  test('makes whoever asks for the same again within 3 s wait, also where they would not', async () => {
    await using wire = await Wire.start({ limits: {} })
    const { network } = wire
    assert.deepEqual(await wire.updates(7), [])
    const again = wire.updates(7)
    await eventually(() => network.world.updates.someoneWaits, 'the poll that is made to wait')
    network.person(5).writes('a')
    assert.equal((await again).length, 1)
  })

  test('holds nobody longer than 50 s', async () => {
    await using wire = await Wire.start({ limits: { pollSeconds: 0.02 } })
    assert.deepEqual((await wire.call('getUpdates', { timeout: 3600 })).result, [])
    assert.equal(networkLimits.pollSeconds, 50)
  })

  test('begins its numbers anew, lower, after a quiet week', async () => {
    await using wire = await Wire.start()
    const person = wire.network.person(5)
    person.writes('a')
    assert.deepEqual(await wire.updates(), [1000])
    await wire.updates(1001)
    wire.network.world.updates.restartAt(17)
    person.writes('b')
    // What is far too high confirms nothing.
    assert.deepEqual(await wire.updates(1001), [17])
  })

  test('lints whoever asks again and again without waiting', async () => {
    await using wire = await Wire.start()
    await wire.call('getUpdates', { offset: 1 })
    assert.deepEqual(wire.network.lints, [])
    await wire.call('getUpdates', { offset: 2 })
    assert.match(wire.network.lints.join(), /short polling/)
  })

  for (const names of [[], ['nonsense']]) {
    test(`takes ${JSON.stringify(names)} for the usual kinds, which leave out members and reactions`, async () => {
      await using wire = await Wire.start()
      const { network } = wire
      const person = network.person(5)
      await wire.call('getUpdates', { allowed_updates: ['edited_message'] })
      await wire.call('getUpdates', { allowed_updates: names })
      person.reacts(person.writes('a'), '👍')
      for (const kind of ['chat_member', 'message_reaction_count']) network.world.updates.push(kind, {})
      assert.deepEqual(
        network.world.updates.pending.map((update) => Object.keys(update)[1]),
        ['message'],
      )
    })
  }

  test('delays whoever ends another’s poll for the second time within 3 s', async () => {
    await using wire = await Wire.start({ limits: { conflictDelayMs: 60_000 } })
    const { network } = wire
    const waits = () => eventually(() => network.world.updates.someoneWaits, 'the poll')
    const poll = (offset: number, signal?: AbortSignal) =>
      wire.call('getUpdates', { timeout: 20, offset }, signal)
    const first = poll(1)
    await waits()
    const second = poll(2)
    assert.equal((await first).status, 409)
    await waits()
    const end = new AbortController()
    const third = poll(3, end.signal)
    assert.equal((await second).status, 409)
    assert.equal(network.world.updates.someoneWaits, false, 'the third is not let in yet')
    end.abort()
    await assert.rejects(third)
    network.world.advance(60_001)
    const fourth = poll(4)
    await waits()
    const fifth = poll(5)
    assert.equal((await fourth).status, 409)
    await waits()
    network.person(5).writes('a')
    assert.equal((await fifth).result.length, 1)
  })

  test('loses the backlog of whoever drops what waits', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).writes('a')
    await wire.call('deleteWebhook', { drop_pending_updates: true })
    assert.deepEqual(await wire.updates(), [])
  })

  test('waiting updates are counted for whoever asks', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).writes('one')
    const { result } = await wire.call('getWebhookInfo')
    assert.match(JSON.stringify(result), /"pending_update_count":1/)
  })
})
