import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

describe('the fake network: topics', () => {
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

  test('that answer in a plain supergroup have a thread that is no topic', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const group = network.group(-1001)
    const first = network.person(5).writes('a', { in: group })
    const reply = { chat_id: -1001, text: 'b', reply_parameters: { message_id: first } }
    const { result } = await wire.call('sendMessage', reply)
    assert.deepEqual([result.message_thread_id, result.is_topic_message], [first, undefined])
  })

  test('private ones have topics where their owner has switched them on', async () => {
    await using wire = await Wire.start()
    const topic = wire.network.person(5).topic('Taxes')
    const send = { chat_id: 5, text: 'a', message_thread_id: topic }
    assert.equal((await wire.call('sendMessage', send)).result.message_thread_id, topic)
    await wire.refused('sendMessage', { ...send, message_thread_id: 77 }, /message thread not found/)
    wire.network.world.topicsInPrivate = false
    await wire.refused('sendMessage', send, /message thread not found/)
  })

  test('a reply in a supergroup without topics has a thread that is none', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const group = network.group(-1001)
    const person = network.person(5)
    const first = person.writes('a', { in: group })
    const reply = person.writes('b', { in: group, replyTo: first })
    const message = network.messages(-1001).find(({ message_id: id }) => id === reply)
    assert.equal(message?.message_thread_id, first)
    assert.equal(message?.is_topic_message, undefined)
    const echo = { chat_id: -1001, text: 'c', message_thread_id: first }
    const { result } = await wire.call('sendMessage', echo)
    assert.equal(result.message_thread_id, undefined, 'it is ignored')
    assert.match(network.lints.join(), /in a chat without topics/)
  })

  test('messages of people in a topic answer the one that opened it', async () => {
    await using wire = await Wire.start()
    const forum = wire.network.group(-1001, { forum: true })
    const topic = forum.topic('Work')
    const id = wire.network.person(5).writes('a', { in: forum, topic })
    const message = wire.network.messages(-1001).find((one) => one.message_id === id)
    assert.equal(message?.reply_to_message?.message_id, topic)
    assert.equal(message?.is_topic_message, true)
  })

  test('an admin writes also in a closed topic, and nobody in a deleted one', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const forum = network.group(-1001, { forum: true })
    const topic = forum.topic('Work')
    network.person(5).promotes(forum)
    forum.closesTopic(topic)
    const send = { chat_id: -1001, text: 'a', message_thread_id: topic }
    assert.ok((await wire.call('sendMessage', send)).ok)
    forum.deletesTopic(topic)
    await wire.refused('sendMessage', send, /message thread not found/)
  })

  test('an answer goes where the message is that it answers, also where no thread is named', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const forum = network.group(-1001, { forum: true })
    const topic = forum.topic('Work')
    const asked = network.person(5).writes('a', { in: forum, topic })
    const answer = { chat_id: -1001, text: 'b', reply_parameters: { message_id: asked } }
    const { result } = await wire.call('sendMessage', answer)
    assert.deepEqual([result.message_thread_id, result.is_topic_message], [topic, true])
    forum.closesTopic(topic)
    await wire.refused('sendMessage', answer, /TOPIC_CLOSED/)
  })

  test('a topic takes its messages with it when it is deleted', async () => {
    await using wire = await Wire.start()
    const { network } = wire
    const forum = network.group(-1001, { forum: true })
    const topic = forum.topic('Work')
    const asked = network.person(5).writes('a', { in: forum, topic })
    forum.deletesTopic(topic)
    const answer = { chat_id: -1001, text: 'b', reply_parameters: { message_id: asked } }
    await wire.refused('sendMessage', answer, /message to be replied not found/)
  })
})
