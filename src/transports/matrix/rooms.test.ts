import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { MatrixPerson } from '../../../tests/support/matrix-person.ts'
import { startSynapse, whyNoSynapse } from '../../../tests/support/synapse.ts'
import { arrive, freshName, TestBot } from './bot.fake.ts'
import { usualTempo } from './pulse.ts'
import { Rooms } from './rooms.ts'

const missing = await whyNoSynapse()
const encryption = { algorithm: 'm.megolm.v1.aes-sha2' }

test('a room keeps its number: the first eight bytes of its hash, as a text', () => {
  const rooms = Rooms.recall(new InMemoryStore()).draft()
  const expected = createHash('sha256').update('!abc:hs.test').digest().readBigUInt64BE().toString()
  assert.deepEqual(rooms.place('!abc:hs.test'), {
    key: `mx:${expected}`,
    transport: 'matrix',
    chat: '!abc:hs.test',
  })
  assert.deepEqual(rooms.changes, { 'int:!abc:hs.test': expected })
})

test('a room whose number is taken gets another, and keeps it after a restart', () => {
  const store = new InMemoryStore()
  const taken = Rooms.recall(store).draft().place('!abc:hs.test').key.slice(3)
  store.remember({ 'int:!squatter:hs.test': taken })
  const rooms = Rooms.recall(store).draft()
  const { key } = rooms.place('!abc:hs.test')
  const hash = createHash('sha256').update('!abc:hs.test:1').digest()
  assert.equal(key, `mx:${hash.readBigUInt64BE()}`)
  store.remember({ ...rooms.changes, 'int:!squatter:hs.test': null })
  assert.equal(Rooms.recall(store).draft().place('!abc:hs.test').key, key)
})

test('a draft that is not taken over leaves no trace', () => {
  const rooms = Rooms.recall(new InMemoryStore())
  const draft = rooms.draft()
  draft.change('!abc:hs.test', { membership: 'join', joined: 2 })
  assert.equal(rooms.facts('!abc:hs.test').membership, 'leave')
  assert.deepEqual(rooms.changes, {})
})

test('a room is a group from the third person on, unless the account calls it direct', () => {
  const rooms = Rooms.recall(new InMemoryStore()).draft()
  assert.ok(rooms.isGroup('!unknown:hs.test'), 'where nobody knows, it may be')
  rooms.change('!a:hs.test', { joined: 1, invited: 1 })
  assert.ok(!rooms.isGroup('!a:hs.test'))
  rooms.change('!a:hs.test', { joined: 2, invited: 1 })
  assert.ok(rooms.isGroup('!a:hs.test'))
  rooms.setDirect(['!a:hs.test'])
  assert.ok(!rooms.isGroup('!a:hs.test'))
})

describe('the rooms of the bot', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  test('an invitation by an allowed user is accepted', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [owner.id] })
    await bot.start()
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    const [line] = await eventually(
      () => bot.logged(/joined a room/).length > 0 && bot.logged(/joined a room/),
    )
    assert.deepEqual(line?.fields, { room, inviter: owner.id })
  })

  test('an invitation by anyone else is declined without ever joining', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const stranger = await arrive(synapse, 'stranger')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [owner.id] })
    await bot.start()
    const room = await stranger.direct(bot.id)
    await stranger.waitForMembership(room, bot.id, 'leave')
    assert.deepEqual(await membershipsOf(stranger, room, bot.id), ['invite', 'leave'])
    assert.deepEqual(await stranger.messagesOf(room, bot.id), [])
    const [line] = await eventually(() => bot.logged(/declined/).length > 0 && bot.logged(/declined/))
    assert.equal(line?.fields['inviter'], stranger.id)
    assert.equal(line?.fields['room'], room)
  })

  test('an invitation to a room that is not listed is declined, whoever invites', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const listed = await owner.createRoom()
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_rooms: [listed] })
    await bot.start()
    const other = await owner.createRoom()
    await owner.invite(other, bot.id)
    await owner.waitForMembership(other, bot.id, 'leave')
    await owner.invite(listed, bot.id)
    await owner.waitForMembership(listed, bot.id, 'join')
  })

  test('a room may be listed by its alias, also by one that is made later', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const [early, late] = [freshName('early'), freshName('late')]
    const first = await owner.createRoom({ room_alias_name: early })
    const aliases = [`#${early}:hs.test`, `#${late}:hs.test`]
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_rooms: aliases })
    await bot.start()
    const { detail } = await bot.waitForReport('connected')
    assert.match(detail ?? '', new RegExp(`#${late}:hs.test`))
    assert.doesNotMatch(detail ?? '', new RegExp(early))
    assert.equal(bot.logged(/cannot be resolved/).length, 1)
    await owner.invite(first, bot.id)
    await owner.waitForMembership(first, bot.id, 'join')
    assert.deepEqual(bot.transport.policy.rooms, new Set([first]))

    const second = await owner.createRoom({ room_alias_name: late })
    await owner.invite(second, bot.id)
    await owner.waitForMembership(second, bot.id, 'join')
    assert.deepEqual(bot.transport.policy.rooms, new Set([first, second]))
  })

  test('an alias that comes to mean another room is followed without a restart', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const alias = `#${freshName('team')}:hs.test`
    const [before, now] = [await owner.createRoom(), await owner.createRoom()]
    const directory = `/directory/room/${encodeURIComponent(alias)}`
    await owner.call('PUT', directory, { room_id: before })
    const both = { allowed_rooms: [alias], owner_room: alias }
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), both)
    bot.tempo = { ...usualTempo, aliasesMs: 0 }
    await bot.start()
    await owner.invite(before, bot.id)
    await owner.waitForMembership(before, bot.id, 'join')
    await eventually(() => bot.transport.ownerPlace?.()?.chat === before, 'the room of the owner')
    await owner.call('DELETE', directory)
    await owner.call('PUT', directory, { room_id: now })
    // What is said there lets the bot look again.
    await owner.say(before, 'we have moved')
    await eventually(() => isDeepStrictEqual(bot.transport.policy.rooms, new Set([now])), 'the other room')
    await owner.invite(now, bot.id)
    await owner.waitForMembership(now, bot.id, 'join')
    await eventually(() => bot.transport.ownerPlace?.()?.chat === now, 'the room of the owner')
  })

  test('an alias that is no room opens no room', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_rooms: ['#nowhere:hs.test'] })
    await bot.start()
    assert.deepEqual(bot.transport.policy.rooms, new Set())
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'leave')
  })

  test('an invitation that came while the bot was down is answered at its next start', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    await bot.start()
    await bot.stop()
    const room = await owner.direct(bot.id)
    await owner.say(room, 'hello?')
    await bot.start()
    await owner.waitForMembership(room, bot.id, 'join')
    const [message] = await bot.messages(1)
    assert.equal(message?.text, 'hello?', 'people begin to talk when they have invited')
  })

  test('an invitation from before the very first start is accepted, but what was said then is history', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    const room = await owner.direct(bot.id)
    await owner.say(room, 'long ago')
    await bot.start()
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.say(room, 'today')
    const heard = await bot.messages(1)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['today'],
    )
  })

  test('what was said in a room before the bot was invited is not for it', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    await bot.start()
    const room = await owner.createRoom()
    for (let index = 0; index < 70; index++) await owner.say(room, `before ${index}`)
    await owner.invite(room, bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.say(room, 'now')
    await bot.messages(1)
    await owner.say(room, 'and then')
    const heard = await bot.messages(2)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['now', 'and then'],
    )
  })

  test('the bot comes back to a room that it was put out of', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    await bot.start()
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.kick(room, bot.id)
    await owner.say(room, 'behind its back')
    const content = { msgtype: 'm.text', body: 'x' }
    await eventually(() => bot.logged(/put out/).length === 1, 'the news')
    assert.deepEqual(bot.logged(/put out/)[0]?.fields, { room, by: owner.id, how: 'leave' })
    const gone = `the bot was put out of the room ${room} by ${owner.id}`
    await assert.rejects(bot.post(room, 'x', content), { failure: 'rejected', message: gone })
    await owner.ban(room, bot.id)
    const banned = `the bot was banned from the room ${room} by ${owner.id}`
    await eventually(async () => {
      await assert.rejects(bot.post(room, 'x', content), { failure: 'rejected', message: banned })
      return true
    })
    await owner.call('POST', `/rooms/${encodeURIComponent(room)}/unban`, { user_id: bot.id })
    await owner.invite(room, bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.say(room, 'welcome back')
    const heard = await bot.messages(1)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['welcome back'],
    )
  })

  test('a room that somebody left with the account of the bot is known to be left', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    await bot.start()
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    const elsewhere = new MatrixPerson(synapse.url, await synapse.login(bot.id, 'correct horse'))
    await elsewhere.call('POST', `/rooms/${encodeURIComponent(room)}/leave`, {})
    await eventually(() => bot.logged(/account has left a room/).length === 1, 'the news')
    const content = { msgtype: 'm.text', body: 'x' }
    const gone = `the bot's account has left the room ${room}`
    await assert.rejects(bot.post(room, 'x', content), { failure: 'rejected', message: gone })
    await owner.invite(room, bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await eventually(() => bot.post(room, 'y', content).catch(() => undefined), 'words in the room again')
  })

  test('a room that is upgraded goes on in the new one, with its number', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const room = await owner.createRoom({ preset: 'public_chat', room_version: '10' })
    const listed = { allowed_users: [owner.id], allowed_rooms: [room] }
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), listed)
    await bot.start()
    await owner.invite(room, bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.say(room, 'before')
    const [before] = await bot.messages(1)
    assert.ok(before !== undefined)
    const content = { msgtype: 'm.text', body: 'said in the old room' }
    const ref = await bot.post(room, 'old', content)
    const successor = await owner.upgrade(room, '11')
    await owner.say(successor, 'is anybody here?')
    await owner.waitForMembership(successor, bot.id, 'join')
    await owner.say(successor, 'after')
    const heard = await bot.messages(3)
    assert.deepEqual(
      heard.map(({ text, place }) => [text, place.key, place.chat]),
      [
        ['before', before.place.key, room],
        ['is anybody here?', before.place.key, successor],
        ['after', before.place.key, successor],
      ],
    )
    assert.deepEqual(bot.transport.policy.rooms, new Set([room, successor]))
    const late = { msgtype: 'm.text', body: 'the answer to what was said before' }
    const answer = await bot.deliver({
      type: 'post',
      place: before.place,
      content: late,
      key: 'a',
      notify: true,
    })
    await owner.waitForEvent(successor, 'the answer', ({ event_id: id }) => id === answer)
    await assert.rejects(bot.deliver({ type: 'edit', place: before.place, content: late, key: 'e', ref }), {
      failure: 'gone',
    })
    await bot.start()
    await owner.say(successor, 'and on')
    const [, , , last] = await bot.messages(4)
    assert.deepEqual(last?.place, { ...before.place, chat: successor })
  })

  test('a private room that is upgraded goes on when the bot is invited to the new one', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const room = await owner.createRoom({ room_version: '10' })
    const listed = { allowed_users: [owner.id], allowed_rooms: [room] }
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), listed)
    await bot.start()
    await owner.invite(room, bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.say(room, 'before')
    await bot.messages(1)
    const successor = await owner.upgrade(room, '11')
    await owner.invite(successor, bot.id)
    await owner.waitForMembership(successor, bot.id, 'join')
    await owner.say(successor, 'after')
    const [old, young] = await bot.messages(2)
    assert.equal(young?.place.key, old?.place.key)
    assert.deepEqual(bot.transport.policy.rooms, new Set([room, successor]))
  })

  test('an encrypted room goes on encrypted, also in a room that is not', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [owner.id] })
    await bot.start()
    const encrypted = [{ type: 'm.room.encryption', state_key: '', content: encryption }]
    const room = await owner.direct(bot.id, { initial_state: encrypted })
    await owner.waitForMembership(room, bot.id, 'join')
    await eventually(() => bot.store.recall(`room:${room}`)?.includes('"encrypted":true'), 'the encryption')
    const content = { msgtype: 'm.text', body: 'not for everybody' }
    let before = room
    for (const [count, calledEncrypted] of [false, true].entries()) {
      const creation_content = { predecessor: { room_id: before, event_id: '$x' } }
      const successor = await owner.createRoom({ preset: 'public_chat', creation_content })
      await owner.say(successor, 'in the clear')
      if (calledEncrypted) await owner.setState(successor, 'm.room.encryption', encryption)
      const tombstone = { body: 'moved', replacement_room: successor }
      await owner.setState(before, 'm.room.tombstone', tombstone)
      await owner.waitForMembership(successor, bot.id, 'join')
      await eventually(() => bot.logged(/came unencrypted/).length === count + 1, 'what was said before')
      const ref = await bot.post(room, `answer ${count}`, content)
      const event = await owner.waitForEvent(successor, 'the answer', ({ event_id: id }) => id === ref)
      assert.equal(event.type, 'm.room.encrypted')
      before = successor
    }
  })

  test('a room does not go on in one that only says so, nor where a stranger leads', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const stranger = await arrive(synapse, 'stranger')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [owner.id] })
    await bot.start()
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.say(room, 'ours')
    const claim = { predecessor: { room_id: room, event_id: '$x' } }
    const false1 = await owner.createRoom({ creation_content: claim, invite: [bot.id] })
    await owner.waitForMembership(false1, bot.id, 'join')
    await owner.say(false1, 'also ours?')
    const [first, second] = await bot.messages(2)
    assert.notEqual(first?.place.key, second?.place.key)

    const levels = { users: { [owner.id]: 100, [stranger.id]: 100 } }
    const shared = await owner.createRoom({
      invite: [bot.id, stranger.id],
      power_level_content_override: levels,
      room_version: '11',
    })
    await stranger.join(shared)
    await owner.waitForMembership(shared, bot.id, 'join')
    const trap = await stranger.createRoom({ preset: 'public_chat' })
    await stranger.setState(shared, 'm.room.tombstone', { body: 'moved', replacement_room: trap })
    await eventually(() => bot.logged(/did not follow/).length === 1, 'the refusal')
    assert.equal(await stranger.membership(trap, bot.id), undefined)
  })

  test("the owner's place is the direct chat with the first allowed user, or the room that is named", async (t) => {
    const owner = await arrive(synapse, 'owner')
    const guest = await arrive(synapse, 'guest')
    const alias = freshName('notices')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [owner.id, guest.id] })
    await bot.start()
    assert.equal(bot.transport.ownerPlace?.()?.chat, owner.id, 'no room yet')
    const room = await owner.direct(bot.id)
    await eventually(() => bot.transport.ownerPlace?.()?.chat === room, 'the direct chat')
    const named = await owner.createRoom({ invite: [bot.id, guest.id], room_alias_name: alias })
    await owner.waitForMembership(named, bot.id, 'join')
    assert.equal(bot.transport.ownerPlace?.()?.chat, room, 'three are no direct chat')
    bot.configure({ owner_room: `#${alias}:hs.test` })
    await bot.start()
    await eventually(() => bot.transport.ownerPlace?.()?.chat === named, 'the room that is named')
  })

  test('a room is a group with its third member, and direct again when they leave', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const guest = await arrive(synapse, 'guest')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'))
    await bot.start()
    const room = await owner.createRoom({ invite: [bot.id], name: 'Two of us' })
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.say(room, 'two')
    await bot.messages(1)
    await owner.invite(room, guest.id)
    await owner.say(room, 'three')
    await bot.messages(2)
    await owner.kick(room, guest.id)
    await owner.say(room, 'two again')
    const heard = await bot.messages(3)
    assert.deepEqual(
      heard.map(({ group, addressed }) => [group, addressed]),
      [
        [false, true],
        [true, false],
        [false, true],
      ],
    )
  })

  test('a stranger in an encrypted room hears nothing', async (t) => {
    const owner = await arrive(synapse, 'owner')
    const stranger = await arrive(synapse, 'stranger')
    const bot = await TestBot.arrive(t, synapse, freshName('bot'), { allowed_users: [owner.id] })
    await bot.start()
    const room = await owner.direct(bot.id)
    await owner.waitForMembership(room, bot.id, 'join')
    await owner.invite(room, stranger.id)
    await stranger.join(room)
    await bot.stop()
    const roomOfStranger = await stranger.createRoom({
      initial_state: [{ type: 'm.room.encryption', content: encryption }],
      invite: [bot.id],
    })
    // By hand, as if it had been let in before the list was written.
    const account = await synapse.login(bot.id, 'correct horse')
    await fetch(`${synapse.url}/_matrix/client/v3/join/${encodeURIComponent(roomOfStranger)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${account.accessToken}` },
      body: '{}',
    })
    await bot.start()
    await stranger.send(roomOfStranger, 'm.room.encrypted', { algorithm: 'x', ciphertext: 'y' })
    await stranger.say(roomOfStranger, 'hello')
    await bot.messages(1)
    await owner.say(room, 'hello')
    await bot.messages(2)
    assert.deepEqual(await stranger.messagesOf(roomOfStranger, bot.id), [])
  })
})

async function membershipsOf(witness: MatrixPerson, room: string, user: string): Promise<readonly unknown[]> {
  const events = await witness.timeline(room)
  return events
    .filter(({ type, state_key: key }) => type === 'm.room.member' && key === user)
    .map(({ content }) => content['membership'])
}
