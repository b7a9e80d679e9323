import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import { Wire } from './telegram-client.fake.ts'

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

  test('says no in the same shape each time, and how long to rest in a header too', async () => {
    await using wire = await Wire.start({ limits: { privateBurst: 1, uploadBytes: 10 } })
    const { network } = wire
    network.world.freeze()
    network.person(5).starts()
    const url = `${network.apiRoot}/bot${network.token}`
    const post = (path: string, body: object) =>
      fetch(`${url}/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    await post('sendMessage', { chat_id: 5, text: 'a' })
    const flood = await post('sendMessage', { chat_id: 5, text: 'b' })
    assert.equal(flood.headers.get('retry-after'), '3')
    const large = await post('sendMessage', { chat_id: 5, text: 'b'.repeat(20_000) })
    network.world.updates.webhook = 'https://example.com'
    const conflict = await post('getUpdates', {})
    const others = [
      await post('sendMessage', {}),
      await post('sendStickers', {}),
      await fetch(`${network.apiRoot}/bot1:AAAAAAAAAAAA/getMe`),
    ]
    const answers = [flood, large, conflict, ...others]
    const bodies = await Promise.all(answers.map(async (answer) => JSON.parse(await answer.text())))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [429, 413, 409, 400, 404, 401],
    )
    const begins = ['Too Many Requests: ', 'Request Entity', 'Conflict: ', 'Bad Request: ', 'Not Found', 'Un']
    for (const [index, body] of bodies.entries()) {
      assert.equal(body.ok, false)
      assert.equal(body.error_code, answers[index]?.status)
      assert.ok(String(body.description).startsWith(begins[index] ?? '?'), body.description)
    }
    assert.deepEqual(bodies[0].parameters, { retry_after: 3 })
  })

  test('refuses a body that it cannot read, and one that is too large without saying so', async () => {
    await using wire = await Wire.start({ limits: { uploadBytes: 10 } })
    const { network } = wire
    const url = `${network.apiRoot}/bot${network.token}/sendMessage`
    const headers = { 'content-type': 'application/json' }
    assert.equal((await fetch(url, { method: 'POST', headers, body: '{' })).status, 400)
    const chunks = Array.from({ length: 3 }, () => new Uint8Array(10_000))
    const body = ReadableStream.from(chunks)
    const large = await fetch(url, { method: 'POST', headers, body, duplex: 'half' })
    assert.equal(large.status, 413)
  })

  test('lints parameters of old', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    await wire.call('sendMessage', { chat_id: 5, text: 'a', disable_web_page_preview: true })
    assert.deepEqual(wire.network.lints, ['sendMessage has no parameter disable_web_page_preview'])
  })

  test('lets a call overtake a slow one', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    network.person(5).starts()
    network.breaks('sendMessage', { how: 'slow', ms: 1000 })
    const first = wire.call('sendMessage', { chat_id: 5, text: 'first' })
    await eventually(() => network.faultsLeft === 0, 'the slow call')
    await wire.call('sendMessage', { chat_id: 5, text: 'second' })
    await first
    assert.deepEqual(
      network.posts(5).map(({ text }) => text),
      ['second', 'first'],
    )
  })
})
