import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, describe, test, type TestContext } from 'node:test'
import { EncryptedPerson } from '../../../tests/support/encrypted-person.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { startSynapse, whyNoSynapse } from '../../../tests/support/synapse.ts'
import { DeliveryError } from '../../core/transport.ts'
import { MishapProxy } from './proxy.fake.ts'
import { arrive, freshName, TestBot } from './bot.fake.ts'

const missing = await whyNoSynapse()

describe('the chat with the owner', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  async function meet(t: TestContext, owner: string, more: Readonly<Record<string, unknown>> = {}) {
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [owner], ...more })
    await bot.start()
    return bot
  }

  test('the bot begins one, encrypted, when it has to tell something; once, also after a restart', async (t) => {
    using owner = await EncryptedPerson.arrive(synapse, freshName('owner'))
    const bot = await meet(t, owner.id)
    await tell(bot, 'first')
    const room = await eventually(() => invitationsOf(owner)[0], 'the invitation')
    await tell(bot, 'second')
    await owner.client.joinRoom(room)
    await owner.hears(room, bot.id, 'first')
    await owner.hears(room, bot.id, 'second')
    await bot.start()
    await tell(bot, 'third')
    await owner.hears(room, bot.id, 'third')
    assert.equal(bot.transport.ownerPlace?.()?.chat, room)
    assert.deepEqual(roomsOf(owner), [room])
    await owner.say(room, 'thank you')
    const [heard] = await bot.messages(1)
    assert.deepEqual([heard?.text, heard?.group], ['thank you', false])
    await eventually(() => bot.store.list('todo:').length === 0, 'the mark among the direct chats')
    await eventually(() => bot.store.recall('direct') === JSON.stringify([room]), 'its coming back')
  })

  test('a start alone begins none, and one that the owner has begun is used', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await meet(t, owner.id)
    assert.equal(bot.transport.ownerPlace?.()?.chat, owner.id)
    const room = await owner.direct(bot.id)
    await eventually(() => bot.transport.ownerPlace?.()?.chat === room, 'their chat')
    await tell(bot, 'here')
    const said = await owner.messagesOf(room, bot.id)
    assert.deepEqual(
      said.map(({ content }) => content['body']),
      ['here'],
    )
  })

  for (const [what, come] of [
    ['declines the invitation', async () => {}],
    ['has come and gone', (owner: EncryptedPerson, room: string) => owner.client.joinRoom(room)],
  ] as const) {
    test(`an owner who ${what} is left alone, and told again where they begin one`, async (t) => {
      using owner = await EncryptedPerson.arrive(synapse, freshName('owner'))
      const bot = await meet(t, owner.id)
      await tell(bot, 'hello')
      const room = await eventually(() => invitationsOf(owner)[0], 'the invitation')
      await come(owner, room)
      await owner.client.leave(room)
      await eventually(() => bot.transport.ownerPlace?.()?.chat === owner.id, 'the end of the chat')
      const refusal = {
        failure: 'rejected',
        message: `${owner.id} has left the chat that the bot began with them`,
      }
      await assert.rejects(tell(bot, 'again'), refusal)
      await bot.start()
      await assert.rejects(tell(bot, 'after a restart'), refusal)
      assert.deepEqual(invitationsOf(owner), [])
      const own = await owner.direct(bot.id)
      await eventually(() => bot.transport.ownerPlace?.()?.chat === own, 'their own chat')
    })
  }

  for (const [mishap, then] of [
    ['lost-answer', 'goes on'],
    ['lost-answer', 'starts anew'],
    ['rate-limited', 'goes on'],
  ] as const) {
    test(`after a ${mishap} while it begins one, the bot ${then}, and there is one`, async (t) => {
      using owner = await EncryptedPerson.arrive(synapse, freshName('owner'))
      const proxy = await MishapProxy.before(synapse.url)
      t.after(() => proxy.stop())
      const bot = await meet(t, owner.id, { homeserver: proxy.url })
      proxy.failNext(mishap, '/createRoom')
      await assert.rejects(attempt(bot, 'hello'), {
        failure: mishap === 'rate-limited' ? mishap : 'unreachable',
      })
      if (then === 'starts anew') await bot.start()
      await tell(bot, 'hello')
      const room = await eventually(() => invitationsOf(owner)[0], 'the invitation')
      await owner.client.joinRoom(room)
      await owner.hears(room, bot.id, 'hello')
      assert.deepEqual(roomsOf(owner), [room])
    })
  }

  test('an owner who leaves a chat whose beginning was never answered is left alone as well', async (t) => {
    using owner = await EncryptedPerson.arrive(synapse, freshName('owner'))
    const proxy = await MishapProxy.before(synapse.url)
    t.after(() => proxy.stop())
    const bot = await meet(t, owner.id, { homeserver: proxy.url })
    proxy.failNext('lost-answer', '/createRoom')
    await assert.rejects(attempt(bot, 'hello'), { failure: 'unreachable' })
    const room = await eventually(() => invitationsOf(owner)[0], 'the invitation')
    await eventually(() => bot.transport.ownerPlace?.()?.chat === room, 'the chat')
    await owner.client.leave(room)
    await eventually(() => bot.transport.ownerPlace?.()?.chat === owner.id, 'the end of the chat')
    for (const restarted of [false, true]) {
      if (restarted) await bot.start()
      await assert.rejects(tell(bot, `after a restart: ${restarted}`), {
        failure: 'rejected',
        message: `${owner.id} has left the chat that the bot began with them`,
      })
    }
    assert.deepEqual(invitationsOf(owner), [])
  })

  test('a room that a stranger calls the chat with the owner is not', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const other = await arrive(synapse, 'other')
    const bot = await meet(t, owner.id, { allowed_users: [owner.id, other.id] })
    const trap = await other.createRoom({
      invite: [bot.id, owner.id],
      creation_content: { 'ductor.begun_for': owner.id },
    })
    await eventually(() => bot.store.recall(`room:${trap}`)?.includes('"join"'), 'the bot in the room')
    assert.equal(bot.transport.ownerPlace?.()?.chat, owner.id)
    await tell(bot, 'for the owner alone')
    assert.deepEqual(await other.messagesOf(trap, bot.id), [])
  })

  test('a bot that is kept to some rooms begins no other', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await meet(t, owner.id, { allowed_rooms: ['!some:hs.test'] })
    assert.equal(bot.transport.ownerPlace?.(), undefined)
  })
})

/** Delivers it to the owner's place, as patiently as the outbox would. */
async function tell(bot: TestBot, body: string): Promise<string> {
  for (;;) {
    try {
      return await attempt(bot, body)
    } catch (error) {
      if (!(error instanceof DeliveryError) || error.retryAfterMs === undefined) throw error
      await sleep(error.retryAfterMs)
    }
  }
}

function attempt(bot: TestBot, body: string): Promise<string> {
  const place = bot.transport.ownerPlace?.() ?? assert.fail('there is a place')
  return bot.deliver({ type: 'post', place, content: { msgtype: 'm.notice', body }, key: body, notify: true })
}

function roomsOf({ client }: EncryptedPerson): readonly string[] {
  return client.getRooms().map(({ roomId }) => roomId)
}

function invitationsOf({ client }: EncryptedPerson): readonly string[] {
  const rooms = client.getRooms().filter((room) => room.getMyMembership() === 'invite')
  return rooms.map(({ roomId }) => roomId)
}
