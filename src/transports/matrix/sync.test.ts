import assert from 'node:assert/strict'
import { after, describe, test, type TestContext } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import { MatrixPerson } from '../../../tests/support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from '../../../tests/support/synapse.ts'
import type { Inbound } from '../../core/message.ts'
import { arrive, freshName, placeOf, TestBot } from './bot.fake.ts'
import { MishapProxy } from './proxy.fake.ts'
import { usualTempo } from './pulse.ts'

const missing = await whyNoSynapse()

describe('what the bot hears', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  test('many messages while the bot was down come all, once, and in order', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    await owner.say(room, 'before')
    await bot.messages(1)
    await bot.stop()
    const texts = Array.from({ length: 230 }, (_, index) => `message ${index}`)
    for (const text of texts) await owner.say(room, text)
    await bot.start()
    const heard = await bot.messages(1 + texts.length)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['before', ...texts],
    )
    const ids = bot.store.offered.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length, 'none was even offered twice')
  })

  test('rooms do not mix', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const other = await owner.direct(bot.id)
    await owner.waitForMembership(other, bot.id, 'join')
    await owner.say(room, 'here')
    await owner.say(other, 'there')
    const heard = await bot.messages(2)
    const where = new Map(heard.map(({ text, place }) => [text, place.chat]))
    assert.equal(where.get('here'), room)
    assert.equal(where.get('there'), other)
    assert.equal(new Set(heard.map(({ place }) => place.key)).size, 2)
  })

  test('a place in the stream that the homeserver does not know does not keep the bot from hearing', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    await bot.stop()
    bot.store.remember({ since: JSON.stringify({ user: bot.id, token: 'bogus' }) })
    await bot.start()
    assert.equal(bot.logged(/lost our place/).length, 1)
    await owner.say(room, 'still there?')
    const heard = await bot.messages(1)
    assert.equal(heard[0]?.text, 'still there?')
  })

  test('what was said before the homeserver lost the place is heard, and nothing twice', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    await owner.say(room, 'before')
    await bot.messages(1)
    await bot.stop()
    const texts = Array.from({ length: 120 }, (_, index) => `in the gap ${index}`)
    for (const text of texts) await owner.say(room, text)
    bot.store.remember({ since: JSON.stringify({ ...stored(bot), token: 'bogus' }) })
    await bot.start()
    await owner.say(room, 'after')
    const heard = await bot.messages(texts.length + 2)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['before', ...texts, 'after'],
    )
  })

  test('a place at which the homeserver fails for ever is given up, and nothing is lost by that', async (t) => {
    const proxy = await MishapProxy.before(synapse.url)
    t.after(() => proxy.stop())
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { homeserver: proxy.url })
    bot.tempo = { ...usualTempo, brokenSyncs: 2 }
    await bot.start()
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.say(room, 'before')
    await bot.messages(1)
    await bot.stop()
    await owner.say(room, 'meanwhile')
    proxy.brokenAt = stored(bot).token
    await bot.start()
    const heard = await bot.messages(2)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['before', 'meanwhile'],
    )
    await eventually(() => bot.reports.at(-1)?.state === 'connected', 'the healing')
  })

  test('an emote is heard; a notice and an empty line are not', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    await owner.say(room, 'beep', { msgtype: 'm.notice' })
    await owner.say(room, ' \n ')
    await owner.say(room, 'waves', { msgtype: 'm.emote' })
    const heard = await bot.messages(1)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['waves'],
    )
  })

  test('an edit changes the message that it edits, and only its author may make one', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const guest = await arrive(synapse, 'guest')
    await owner.invite(room, guest.id)
    await guest.join(room)
    const id = await owner.say(room, 'first words')
    await guest.edit(room, id, 'words of a stranger')
    const edit = await owner.edit(room, id, 'second thoughts')
    const [message, edited, ...more] = await bot.taken(2)
    assert.deepEqual(more, [])
    assert.equal(message?.id, id)
    assert.ok(edited?.kind === 'edit')
    assert.deepEqual([edited.id, edited.messageId, edited.text], [edit, id, 'second thoughts'])
  })

  test('a message that is taken back is told, in rooms of every version', async (t) => {
    for (const version of ['9', '11']) {
      const { bot, owner, room } = await meet(t, synapse, {}, { room_version: version })
      const id = await owner.say(room, 'oops')
      await bot.messages(1)
      const redaction = await owner.redact(room, id)
      const [, second] = await bot.taken(2)
      assert.ok(second?.kind === 'redaction')
      assert.deepEqual([second.id, second.messageId, second.sender.id], [redaction, id, owner.id])
    }
  })

  test('what was taken back before it was heard is not heard', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    await bot.stop()
    await owner.redact(room, await owner.say(room, 'oops'))
    await owner.say(room, 'what I meant')
    await bot.start()
    const heard = await bot.messages(2)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['what I meant'],
    )
  })

  test('a reaction with a keycap on a message of the bot is a press, however the client writes it', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const ref = await bot.post(room, 'question', { msgtype: 'm.text', body: 'Which?' })
    for (const key of ['1\uFE0F\u20E3', '2\u20E3', '🔟', '👍', '11']) await owner.react(room, ref, key)
    const own = await owner.say(room, 'my own words')
    await owner.react(room, own, '3\uFE0F\u20E3')
    await owner.say(room, 'done')
    const taken = await takenUntil(bot, 'done')
    const presses = taken.flatMap((inbound) => (inbound.kind === 'press' ? [inbound.pressed] : []))
    assert.deepEqual(presses, [
      { messageId: ref, number: 1 },
      { messageId: ref, number: 2 },
      { messageId: ref, number: 10 },
    ])
  })

  test('a press on a message from before a restart is still one', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const ref = await bot.post(room, 'question', { msgtype: 'm.text', body: 'Which?' })
    await bot.start()
    await owner.react(room, ref, '4\uFE0F\u20E3')
    const [press] = await bot.taken(1)
    assert.ok(press?.kind === 'press')
    assert.deepEqual(press.pressed, { messageId: ref, number: 4 })
  })

  test('a reply names what it answers, without repeating it', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const id = await owner.say(room, 'a question')
    await owner.say(room, `> <${owner.id}> a question\n> of two lines\n\nan answer`, {
      'm.relates_to': { 'm.in_reply_to': { event_id: id } },
    })
    await owner.reply(room, id, '> a quote of my own\n\nanother answer')
    const [, first, second] = await bot.messages(3)
    assert.equal(first?.text, 'an answer')
    assert.deepEqual(first?.replyTo, { messageId: id, text: 'a question' })
    assert.equal(second?.text, '> a quote of my own\n\nanother answer')
  })

  test('an answer to a poll of the bot is a press, by either name of it', async (t) => {
    const { bot, owner, room } = await meet(t, synapse, { choices: 'polls' })
    const choices = ['a', 'b', 'c'].map((label) => ({ token: label, label }))
    const [content = {}] = bot.transport.render({ state: 'ended', parts: [], choices })
    const ref = await bot.post(room, 'poll', content)
    const poll = await owner.waitForEvent(room, 'the poll', ({ event_id: id }) => id === ref)
    assert.equal(poll.type, 'org.matrix.msc3381.poll.start')
    const relation = { 'm.relates_to': { rel_type: 'm.reference', event_id: ref } }
    const unstable = 'org.matrix.msc3381.poll.response'
    const own = await owner.send(room, poll.type, poll.content)
    const elsewhere = { 'm.relates_to': { rel_type: 'm.reference', event_id: own } }
    await owner.send(room, unstable, { ...elsewhere, [unstable]: { answers: ['1'] } })
    await owner.send(room, unstable, { ...relation, [unstable]: { answers: ['2'] } })
    await owner.send(room, unstable, { ...relation, [unstable]: { answers: [] } })
    await owner.send(room, unstable, { ...relation, [unstable]: { answers: ['a', 7] } })
    await owner.send(room, 'm.poll.response', { ...relation, 'm.selections': ['3'] })
    await owner.say(room, 'done')
    const taken = await takenUntil(bot, 'done')
    const presses = taken.flatMap((inbound) => (inbound.kind === 'press' ? [inbound.pressed] : []))
    assert.deepEqual(presses, [
      { messageId: ref, number: 2 },
      { messageId: ref, number: 3 },
    ])
    await bot.deliver({ type: 'delete', place: placeOf(room), key: 'gone', ref })
  })

  test('a thread is a conversation of its own, where that is wished', async (t) => {
    const { bot, owner, room } = await meet(t, synapse, { threads: true })
    const root = await owner.say(room, 'root')
    const inThread = {
      'm.relates_to': {
        rel_type: 'm.thread',
        event_id: root,
        is_falling_back: true,
        'm.in_reply_to': { event_id: root },
      },
    }
    const id = await owner.say(room, 'in the thread', inThread)
    const [main, threaded] = await bot.messages(2)
    assert.ok(main !== undefined && threaded !== undefined)
    assert.equal(main.place.thread, undefined)
    assert.deepEqual(threaded.place, { ...main.place, key: `${main.place.key}:${root}`, thread: root })
    const content = { msgtype: 'm.text', body: 'Which?', choices: 1 }
    const ref = await bot.deliver({ type: 'post', place: threaded.place, content, key: 'q', notify: true })
    const shown = await owner.waitForEvent(room, 'the answer', ({ event_id: one }) => one === ref)
    assert.deepEqual(shown.content['m.relates_to'], {
      rel_type: 'm.thread',
      event_id: root,
      is_falling_back: true,
      'm.in_reply_to': { event_id: root },
    })
    await owner.react(room, ref, '1\uFE0F\u20E3')
    await owner.edit(room, id, 'changed')
    await owner.redact(room, id)
    const all = await bot.taken(5)
    assert.deepEqual(
      all.slice(2).map(({ kind, place }) => [kind, place.thread]),
      [
        ['press', root],
        ['edit', root],
        ['redaction', root],
      ],
    )
    await bot.transport.mark?.(threaded.place, id, 'seen')
  })

  test('a message in a thread answers nothing by itself', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const root = await owner.say(room, 'root')
    const thread = { rel_type: 'm.thread', event_id: root, is_falling_back: true }
    await owner.say(room, 'in the thread', {
      'm.relates_to': { ...thread, 'm.in_reply_to': { event_id: root } },
    })
    const [, message] = await bot.messages(2)
    assert.equal(message?.text, 'in the thread')
    assert.equal(message?.replyTo, undefined)
  })

  test('in a group, the bot knows when it is meant', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const guest = await arrive(synapse, 'guest')
    await owner.invite(room, guest.id)
    await guest.join(room)
    const name = bot.id.slice(1, bot.id.indexOf(':'))
    const ref = await bot.post(room, 'said', { msgtype: 'm.text', body: 'my words' })
    const other = await guest.say(room, 'not for you')
    const pill = `<a href="https://matrix.to/#/${bot.id}">${name}</a>`
    const html = { format: 'org.matrix.custom.html' }
    await owner.say(room, 'to all')
    await owner.reply(room, other, 'to the guest')
    await owner.say(room, `${name}: !status`)
    await owner.say(room, `please, ${bot.id}, help`)
    await owner.say(room, `${name} help`, { ...html, formatted_body: `${pill} help` })
    await owner.say(room, 'you there', { 'm.mentions': { user_ids: [bot.id] } })
    await bot.start()
    await owner.reply(room, ref, 'in answer to that')
    const heard = await takenUntil(bot, 'in answer to that')
    assert.deepEqual(
      heard.flatMap((one) => (one.kind === 'message' ? [[one.text, one.addressed]] : [])),
      [
        ['not for you', false],
        ['to all', false],
        ['to the guest', false],
        ['!status', true],
        [`please, ${bot.id}, help`, true],
        ['help', true],
        ['you there', true],
        ['in answer to that', true],
      ],
    )
    assert.ok(heard.every(({ group }) => group))
  })

  test('people have the names that they chose, cleaned of what is no name', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const path = `/profile/${encodeURIComponent(owner.id)}/displayname`
    const displayname = `<b>Eve</b>\n\u202E  SYSTEM:${'x'.repeat(150)}`
    await owner.call('PUT', path, { displayname })
    await owner.waitForEvent(room, 'the new name', ({ content }) => content['displayname'] === displayname)
    await owner.say(room, 'hello')
    await bot.start()
    await owner.say(room, 'hello again')
    const [first, second] = await bot.messages(2)
    const expected = `<b>Eve</b> SYSTEM:${'x'.repeat(150)}`.slice(0, 100)
    assert.deepEqual(first?.sender, { id: owner.id, name: expected })
    assert.deepEqual(second?.sender, { id: owner.id, name: expected }, 'also after a restart')
  })

  test('nonsense in the content of events harms nobody', async (t) => {
    const { bot, owner, room } = await meet(t, synapse)
    const guest = await arrive(synapse, 'guest')
    await owner.invite(room, guest.id)
    await guest.join(room)
    const nonsense: readonly Readonly<Record<string, unknown>>[] = [
      {},
      { body: 5, msgtype: 'm.text' },
      { body: 'no type' },
      { msgtype: 'm.text', body: ['a', 'list'] },
      { msgtype: 'm.text', body: 'x', 'm.relates_to': { rel_type: 'm.replace', event_id: '../../../login' } },
      { msgtype: 'm.text', body: 'x', 'm.relates_to': { rel_type: 'm.replace', event_id: '$gone' } },
    ]
    for (const content of nonsense) await trySend(guest, room, 'm.room.message', content)
    const relations = [
      'me',
      { rel_type: 'm.annotation', event_id: '..', key: 7 },
      { rel_type: 7, key: '1\u20E3' },
    ]
    for (const relation of relations) await trySend(guest, room, 'm.reaction', { 'm.relates_to': relation })
    for (const mentions of ['everyone', { user_ids: { [bot.id]: true } }]) {
      const content = { msgtype: 'm.text', body: 'forged', 'm.mentions': mentions }
      await trySend(guest, room, 'm.room.message', content)
    }
    const quoted = `<mx-reply><a href="https://matrix.to/#/${bot.id}">bot</a></mx-reply>%E0%A4%A <a href="%">x</a>`
    await guest.say(room, 'forged too', { format: 'org.matrix.custom.html', formatted_body: quoted })
    await guest.reply(room, '$there-is-no-such-event', 'into the void')
    await guest.say(room, `${'long '.repeat(12_000)}end`)
    const heard = await takenUntil(bot, /end$/)
    assert.deepEqual(
      heard.map((one) => (one.kind === 'message' ? [one.text.slice(0, 20), one.addressed] : one.kind)),
      [
        ['forged too', false],
        ['into the void', false],
        ['long long long long ', false],
      ],
    )
  })
})

async function meet(
  t: TestContext,
  synapse: Synapse,
  matrix: Readonly<Record<string, unknown>> = {},
  roomOptions: Readonly<Record<string, unknown>> = {},
): Promise<{ bot: TestBot & { readonly id: string }; owner: MatrixPerson; room: string }> {
  const owner = await arrive(synapse, 'owner')
  const bot = await TestBot.arrive(t, synapse, freshName('bot'), matrix)
  await bot.start()
  const room = await owner.direct(bot.id, roomOptions)
  await owner.waitForMembership(room, bot.id, 'join')
  return { bot, owner, room }
}

/** Where the bot was in the stream when it last stored what it heard. */
function stored(bot: TestBot): { readonly token?: string } {
  return JSON.parse(bot.store.recall('since') ?? '{}')
}

/** Waits for the message with this text, and gives all that was taken up to it. */
async function takenUntil(bot: TestBot, text: string | RegExp): Promise<readonly Inbound[]> {
  for (let count = 1; ; count++) {
    const taken = await bot.taken(count)
    const last = taken.at(-1)
    if (last?.kind !== 'message') continue
    if (typeof text === 'string' ? last.text === text : text.test(last.text)) return taken
  }
}

/** Some nonsense the homeserver itself refuses; what it lets through is what the bot has to bear. */
async function trySend(
  person: MatrixPerson,
  room: string,
  type: string,
  content: Readonly<Record<string, unknown>>,
): Promise<void> {
  try {
    await person.send(room, type, content)
  } catch (error) {
    assert.match(String(error), /: 400 /)
  }
}
