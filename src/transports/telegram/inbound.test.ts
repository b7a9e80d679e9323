import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Inbound } from '../../core/message.ts'
import { hear, queryOf, type Ears, type Heard, type Me } from './inbound.ts'
import { FakeTelegram } from './telegram.fake.ts'

const me: Me = { id: 99, username: 'My_Bot' }
const ears: Ears = { me, now: 123, originalOf: (chat) => chat }
const ann = { id: 4711, is_bot: false, first_name: 'Ann' }
const privateChat = { id: 4711, type: 'private', first_name: 'Ann' }
const group = { id: -1001, type: 'supergroup', title: 'Team' }

function message(fields: object): object {
  return { update_id: 5, message: { message_id: 7, date: 1_700_000_000, chat: group, from: ann, ...fields } }
}

function inbound(update: object): Inbound {
  const heard = hear(update, ears)
  if (heard.kind !== 'inbound') assert.fail(`it was not heard: ${JSON.stringify(heard)}`)
  return heard.inbound
}

function ignored(update: object): string {
  const heard: Heard = hear(update, ears)
  if (heard.kind !== 'ignored') assert.fail(`it was heard: ${JSON.stringify(heard)}`)
  return heard.why
}

function addressed(fields: object): boolean {
  return inbound(message(fields)).addressed
}

describe('what is heard on Telegram', () => {
  test('has its place, its sender and its time', () => {
    assert.deepEqual(inbound(message({ chat: privateChat, text: 'Hello' })), {
      kind: 'message',
      id: '5:4711:7',
      place: { key: 'tg:4711', transport: 'telegram', chat: '4711' },
      sender: { id: '4711', name: 'Ann' },
      sentAt: 1_700_000_000_000,
      group: false,
      addressed: true,
      messageId: '7',
      text: 'Hello',
    })
  })

  test('belongs to the topic that it was written in', () => {
    const inTopic = inbound(message({ text: 'a', message_thread_id: 3, is_topic_message: true }))
    assert.deepEqual(inTopic.place, { key: 'tg:-1001:3', transport: 'telegram', chat: '-1001', thread: '3' })
    const inPrivateTopic = inbound(
      message({ chat: privateChat, text: 'a', message_thread_id: 3, is_topic_message: true }),
    )
    assert.equal(inPrivateTopic.place.key, 'tg:4711:3')
  })

  test('belongs to the whole group where there are no topics, and in General', () => {
    assert.equal(inbound(message({ text: 'a', message_thread_id: 3 })).place.key, 'tg:-1001')
    assert.equal(
      inbound(message({ text: 'a', message_thread_id: 1, is_topic_message: true })).place.key,
      'tg:-1001',
    )
  })

  test('is addressed by a mention, by a reply, or by a command with the name of the bot', () => {
    const mention = (text: string) => ({ text, entities: [{ type: 'mention', offset: 0, length: 7 }] })
    assert.equal(addressed({ text: 'hello' }), false)
    assert.equal(addressed(mention('@my_bot do it')), true)
    assert.equal(addressed(mention('@ny_bot do it')), false)
    assert.equal(addressed({ text: '@my_bot in code' }), false, 'only what Telegram marks is a mention')
    const byName = { type: 'text_mention', offset: 0, length: 3, user: { ...ann, id: 99 } }
    assert.equal(addressed({ text: 'Bot, go', entities: [byName] }), true)
    assert.equal(
      addressed({ text: 'a', reply_to_message: { message_id: 2, from: { ...ann, id: 99 } } }),
      true,
    )
    assert.equal(addressed({ text: 'a', reply_to_message: { message_id: 2, from: ann } }), false)
    const command = { type: 'bot_command', offset: 0, length: 11 }
    assert.equal(addressed({ text: '/new@My_Bot', entities: [command] }), true)
    assert.equal(addressed({ text: '/new', entities: [{ ...command, length: 4 }] }), false)
    const caption = {
      photo: [],
      caption: '@my_bot look',
      caption_entities: [{ type: 'mention', offset: 0, length: 7 }],
    }
    assert.equal(addressed(caption), true)
  })

  test('is no answer to the bot only because the bot opened the topic', () => {
    const opening = { message_id: 3, from: { ...ann, id: 99 } }
    const update = message({
      text: 'a',
      message_thread_id: 3,
      is_topic_message: true,
      reply_to_message: opening,
    })
    const heard = inbound(update)
    assert.equal(heard.addressed, false)
    assert.equal(heard.kind === 'message' && heard.replyTo, undefined)
  })

  test('tells what it answers', () => {
    const answered = { message_id: 2, from: ann, text: 'the whole of it' }
    const plain = inbound(message({ text: 'a', reply_to_message: answered }))
    assert.deepEqual(plain.kind === 'message' && plain.replyTo, { messageId: '2', text: 'the whole of it' })
    const quoting = inbound(
      message({ text: 'a', reply_to_message: answered, quote: { text: 'whole', position: 4 } }),
    )
    assert.deepEqual(quoting.kind === 'message' && quoting.replyTo, { messageId: '2', text: 'whole' })
  })

  test('brings the file of what it answers, in a group where nobody else could show it; of the bot’s own, the name', () => {
    const photo = [{ file_id: 'f', file_unique_id: 'u', file_size: 9, width: 8, height: 8 }]
    const theirs = inbound(
      message({
        text: 'what is it?',
        reply_to_message: { message_id: 2, from: ann, photo, caption: 'look' },
      }),
    )
    assert.ok(theirs.kind === 'message')
    assert.equal(theirs.attachments, undefined)
    assert.deepEqual(theirs.replyTo, {
      messageId: '2',
      text: 'look',
      attachments: [
        {
          kind: 'picture',
          name: 'photo_u.jpg',
          mimeType: 'image/jpeg',
          size: 9,
          remote: JSON.stringify({ file: 'f', unique: 'u' }),
        },
      ],
    })
    const elsewhere = inbound(message({ text: 'what is it?', external_reply: { origin: {}, photo } }))
    assert.deepEqual(elsewhere.kind === 'message' && elsewhere.replyTo, {
      messageId: '',
      attachments: theirs.replyTo?.attachments,
    })
    const document = { file_id: 'f', file_unique_id: 'u', file_name: 'report.pdf' }
    const ours = inbound(
      message({ text: 'shorter', reply_to_message: { message_id: 2, from: { ...ann, id: 99 }, document } }),
    )
    assert.deepEqual(ours.kind === 'message' && ours.replyTo, { messageId: '2', text: 'report.pdf' })
  })

  test('is a command without the name of the bot', () => {
    const command = (text: string, length: number) => ({
      text,
      entities: [{ type: 'bot_command', offset: 0, length }],
    })
    const mine = inbound(message(command('/new@my_bot now', 11)))
    assert.equal(mine.kind === 'message' && mine.text, '/new now')
    assert.equal(ignored(message(command('/new@other_bot now', 14))), 'a command for another bot')
  })

  test('comes from the chat where a chat has written it, and so from nobody in a list', () => {
    const anonymous = { id: 1_087_968_824, is_bot: true, first_name: 'Group' }
    assert.equal(inbound(message({ text: 'a', from: anonymous, sender_chat: group })).sender.id, '-1001')
    const channel = { id: -1009, type: 'channel', title: 'News' }
    assert.equal(inbound(message({ text: 'a', from: ann, sender_chat: channel })).sender.id, '-1009')
  })

  test('is the text under a picture, whatever the picture; what says nothing is left out', () => {
    const captioned = inbound(message({ photo: [{ of: 'a new kind' }], caption: 'look' }))
    assert.equal(captioned.kind === 'message' && captioned.text, 'look')
    assert.equal(ignored(message({ new_chat_members: [ann] })), 'a message without words or files')
    assert.equal(ignored(message({ text: 'a', chat: { id: -1, type: 'channel' } })), 'a channel')
    assert.equal(ignored(message({ text: 'a', from: { ...ann, id: 99 } })), 'a message of the bot itself')
  })

  test('is an edit where an earlier text was changed', () => {
    const update = {
      update_id: 6,
      edited_message: { message_id: 7, date: 1, edit_date: 2, chat: privateChat, from: ann, text: 'better' },
    }
    assert.deepEqual(inbound(update), {
      kind: 'edit',
      id: '6:4711:7:edit',
      place: { key: 'tg:4711', transport: 'telegram', chat: '4711' },
      sender: { id: '4711', name: 'Ann' },
      sentAt: 2000,
      group: false,
      addressed: true,
      messageId: '7',
      text: 'better',
    })
  })

  test('is a press with its token', () => {
    const where = { message_id: 9, date: 1, chat: group, message_thread_id: 3, is_topic_message: true }
    const press = inbound({
      update_id: 8,
      callback_query: { id: '4242:1', from: ann, message: where, chat_instance: 'c', data: 'token' },
    })
    assert.deepEqual(press, {
      kind: 'press',
      id: '8:4242:1',
      place: { key: 'tg:-1001:3', transport: 'telegram', chat: '-1001', thread: '3' },
      sender: { id: '4711', name: 'Ann' },
      sentAt: 123,
      group: true,
      addressed: true,
      pressed: { token: 'token' },
    })
    assert.equal(queryOf(press.id), '4242:1')
    assert.match(ignored({ update_id: 8, callback_query: { id: '1', from: ann, data: 'x' } }), /not on our/)
  })

  test('makes no sense where it makes none', () => {
    for (const update of [null, 'x', {}, { update_id: 1, message: { text: 'a' } }]) {
      assert.deepEqual(hear(update, ears), {
        kind: 'ignored',
        why: 'an update of unknown shape',
        strange: true,
        facts: [],
      })
    }
    assert.equal(ignored({ update_id: 1, poll: {} }), 'an update of unknown kind')
  })

  test('has its words also where what is around them has another shape than we know', () => {
    const odd = { edit_date: 'now', quote: 'q', reply_to_message: { id: 3 }, forum_topic_edited: 'name' }
    const heard = inbound(message({ chat: privateChat, text: 'Hello', ...odd }))
    assert.equal('text' in heard && heard.text, 'Hello')
    const passedOn = inbound(message({ text: '/new', forward_origin: 'somewhere' }))
    assert.equal('forwardedFrom' in passedOn && passedOn.forwardedFrom, 'somebody')
    for (const who of [{ from: 'me' }, { sender_chat: 'a chat' }, { chat: -1 }])
      assert.equal(ignored(message({ text: 'a', ...who })), 'an update of unknown shape')
  })

  test('is what the network sends: replies in a plain supergroup have no topic', async () => {
    const network = await FakeTelegram.start()
    const owner = network.person(4711)
    const team = network.group(-1001)
    const first = owner.writes('one', { in: team })
    owner.writes('two', { in: team, replyTo: first })
    const [, second] = network.world.updates.pending
    await network.stop()
    assert.ok(JSON.stringify(second).includes('message_thread_id'))
    assert.equal(inbound(second ?? {}).place.key, 'tg:-1001')
  })
})
