import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { reactions } from './telegram-chat-methods.fake.ts'
import { Wire } from './telegram-client.fake.ts'

describe('the fake network: reactions', () => {
  test('reactions are of 73 emoji, one of the bot on a message', async () => {
    await using wire = await Wire.start()
    const id = wire.network.person(5).writes('hello')
    const react = (...emoji: string[]) => ({
      chat_id: 5,
      message_id: id,
      reaction: emoji.map((one) => ({ type: 'emoji', emoji: one })),
    })
    assert.equal(reactions.size, 73)
    for (const good of ['👀', '✍', '💔', '👍'])
      assert.ok((await wire.call('setMessageReaction', react(good))).ok)
    for (const bad of ['✅', '❌', '⏳']) {
      await wire.refused('setMessageReaction', react(bad), /REACTION_INVALID/)
    }
    await wire.refused('setMessageReaction', react('👀', '👍'), /REACTIONS_TOO_MANY/)
    await wire.refused('setMessageReaction', { ...react(), message_id: 99 }, /message to react not found/)
    await wire.call('setMessageReaction', react())
    assert.equal(wire.network.reaction(5, id), undefined)
  })

  test('reactions of people come from private chats and from groups where the bot is an admin', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    await wire.call('getUpdates', { allowed_updates: ['message_reaction'] })
    const person = network.person(5)
    const group = network.group(-1001)
    person.reacts(person.writes('a'), '👍')
    const there = person.writes('b', { in: group })
    person.reacts(there, '👎', { in: group })
    assert.equal(network.world.updates.pending.length, 1)
    person.promotes(group)
    person.reacts(there, '👎', { in: group })
    assert.match(JSON.stringify(network.world.updates.pending[1]), /"message_reaction":.*👎/)
    person.reacts(there, undefined, { in: group })
    assert.match(JSON.stringify(network.world.updates.pending[2]), /"new_reaction":\[\]/)
  })
})
