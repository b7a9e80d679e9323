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

  test('says how long to wait in the header, too', async () => {
    await using wire = await Wire.start()
    wire.network.breaks('getMe', { how: 'flood', seconds: 7 })
    const { apiRoot, token } = wire.network
    const response = await fetch(`${apiRoot}/bot${token}/getMe`)
    assert.equal(response.headers.get('retry-after'), '7')
  })

  test('may let a later call overtake an earlier one', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    wire.network.breaks('sendMessage', { how: 'slow', ms: 100 })
    const slow = wire.call('sendMessage', { chat_id: 5, text: 'first' })
    await wire.call('sendMessage', { chat_id: 5, text: 'second' })
    await slow
    assert.deepEqual(
      wire.network.posts(5).map((message) => message.text),
      ['second', 'first'],
    )
  })

  test('may do what was asked and give an answer that says nothing, or none', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    wire.network.breaks('sendMessage', { how: 'garbled' })
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: 'a' })
    assert.equal(result.message_id, undefined)
    wire.network.breaks('sendMessage', { how: 'answer-kept' })
    const gone = new AbortController()
    const kept = wire.call('sendMessage', { chat_id: 5, text: 'b' }, gone.signal)
    await eventually(() => wire.network.posts(5).length === 2, 'the message')
    gone.abort()
    await assert.rejects(kept)
  })
})
