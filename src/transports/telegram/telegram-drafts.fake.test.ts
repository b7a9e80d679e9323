import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

describe('the fake network: drafts', () => {
  test('drafts are for private chats, have a number, live 30 s, and end with the next message', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    network.world.freeze()
    network.person(5).starts()
    network.group(-1001)
    const draft = (more: object = {}) => ({ chat_id: 5, draft_id: 7, text: 'a', ...more })
    await wire.refused('sendMessageDraft', draft({ chat_id: -1001 }), /TEXTDRAFT_PEER_INVALID/)
    await wire.refused('sendMessageDraft', draft({ draft_id: 0 }), /DRAFT_ID_INVALID/)
    await wire.call('sendMessageDraft', draft())
    assert.equal(network.draft(5)?.text, 'a')
    await wire.call('sendMessageDraft', draft({ text: '' }))
    assert.equal(network.draft(5)?.text, '')
    network.world.advance(30_001)
    assert.equal(network.draft(5), undefined)
    await wire.call('sendMessageDraft', draft())
    assert.match(network.lints.join(), /goes on after it has expired/)
    await wire.call('sendMessage', { chat_id: 5, text: 'the end' })
    assert.equal(network.draft(5), undefined)
    network.world.offersDrafts = false
    await wire.refused('sendMessageDraft', draft(), /method not found/, 404)
  })

  test('a draft can be stopped where it says so, and does not go on then', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const person = network.person(5).starts()
    await wire.call('sendMessageDraft', { chat_id: 5, draft_id: 7, text: 'a' })
    assert.throws(() => person.stops(), /nothing to stop/)
    await wire.call('sendMessageDraft', { chat_id: 5, draft_id: 7, text: 'ab', can_stop: true })
    person.stops()
    const { result } = await wire.call('getUpdates')
    assert.match(JSON.stringify(result), /"stopped_message_generation":\{"chat":\{"id":5.*"draft_id":7/)
    await wire.call('sendMessageDraft', { chat_id: 5, draft_id: 7, text: 'abc', can_stop: true })
    assert.match(network.lints.join(), /goes on after its stop/)
  })

  test('drafts have a budget of their own', async () => {
    await using wire = await Wire.start({ limits: {} })
    wire.network.person(5).starts()
    for (let n = 0; n < 20; n += 1)
      await wire.call('sendMessageDraft', { chat_id: 5, draft_id: 7, text: `${n}` })
    await wire.refused('sendMessageDraft', { chat_id: 5, draft_id: 7, text: 'x' }, /Too Many Requests/, 429)
    assert.equal((await wire.call('sendMessage', { chat_id: 5, text: 'a message' })).ok, true)
  })
})
