import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Home } from './support/ductor.ts'
import { EncryptedPerson } from './support/encrypted-person.ts'
import { eventually } from './support/eventually.ts'
import { startSynapse, whyNoSynapse, type Synapse } from './support/synapse.ts'

/** What goes in rooms without encryption goes in encrypted ones, with an app that talks only with signed devices. */

const skip = await whyNoSynapse()

type Block = Readonly<Record<string, unknown>>

describe('an encrypted room', { skip: skip ?? false }, () => {
  let synapse: Synapse
  let count = 0

  before(async () => {
    synapse = await startSynapse()
  })
  after(() => synapse?.stop())

  /** A bot that runs, and a person who is in an encrypted chat with it. */
  async function begin(block: Block = {}, more: Block = {}) {
    count += 1
    const person = await EncryptedPerson.arrive(synapse, `person${count}`)
    person.excludeUnsigned()
    const { userId: bot } = await synapse.register(`bot${count}`, 'secret-of-bot')
    const account = { homeserver: synapse.url, user_id: bot, password: 'secret-of-bot' }
    const matrix = { ...account, allowed_users: [person.id], ...block }
    const home = new Home({ transport: 'matrix', matrix, provider: 'demo', ...more })
    const running = home.start()
    await running.ready()
    const room = await person.direct(bot)
    await person.waitForMember(room, bot)
    const dispose = async () => {
      person[Symbol.dispose]()
      await home[Symbol.asyncDispose]()
    }
    return { person, bot, home, running, room, [Symbol.asyncDispose]: dispose }
  }

  type Stage = Awaited<ReturnType<typeof begin>>

  /** Resolves with the event's id. */
  async function send({ person, room }: Stage, content: Block, type = 'm.room.message'): Promise<string> {
    return (await person.client.sendEvent(room, type as never, content as never)).event_id
  }

  async function relate(stage: Stage, body: string, relation: Block, more: Block = {}): Promise<string> {
    return send(stage, { msgtype: 'm.text', body, 'm.relates_to': relation, ...more })
  }

  /** The last message of the bot that says this. */
  async function shown({ person, bot, room }: Stage, what: RegExp) {
    await person.hears(room, bot, what)
    const event = person
      .events(room)
      .findLast((one) => one.getSender() === bot && what.test(String(one.getContent()['body'])))
    return event ?? assert.fail('it is not there any more')
  }

  const texts = ({ home }: Stage) =>
    home.journal().flatMap(({ event, text }) => (event === 'begun' ? [text] : []))

  test('an answer comes in segments, and choices are pressed or typed, also after kill -9', async () => {
    await using stage = await begin()
    const { person, bot, home, running, room } = stage
    await person.say(room, 'say Looking | tool ls | say Found it')
    await person.hears(room, bot, 'Found it')
    assert.deepEqual(person.heard(room, bot), ['Looking', 'Found it'])
    await person.say(room, 'buttons say one|say two|say three')
    const first = await shown(stage, /3️⃣ say three/)
    await running.kill()
    await home.start().ready()
    const press = { rel_type: 'm.annotation', event_id: first.getId(), key: '2\u20E3' }
    await send(stage, { 'm.relates_to': press }, 'm.reaction')
    await person.hears(room, bot, 'two')
    await person.say(room, 'permission ls | say went on')
    await shown(stage, /1️⃣ Allow/)
    await person.say(room, '1')
    await person.hears(room, bot, 'went on')
    assert.ok(person.events(room).every((event) => !event.isDecryptionFailure()))
  })

  test('what waits is changed by an edit and taken back by a redaction', async () => {
    await using stage = await begin()
    const { person, bot, home, room } = stage
    await person.say(room, 'unsteerable | wait 3600000 | say never')
    await eventually(() => texts(stage).length === 1, 'the long turn')
    const changed = await person.say(room, 'say changed')
    const dropped = await person.say(room, 'say dropped')
    await eventually(async () => (await home.status()).turns.queued === 2, 'the queue')
    await relate(
      stage,
      '* say better',
      { rel_type: 'm.replace', event_id: changed },
      {
        'm.new_content': { msgtype: 'm.text', body: 'say better' },
      },
    )
    await person.client.redactEvent(room, dropped)
    await eventually(async () => (await home.status()).turns.queued === 1, 'the redaction')
    await person.say(room, '!interrupt')
    await person.hears(room, bot, 'better')
    await person.say(room, 'say the end')
    await person.hears(room, bot, 'the end')
    assert.deepEqual(texts(stage).slice(1), ['say better', 'say the end'])
  })

  test('a thread is a conversation of its own, and is answered there', async () => {
    await using stage = await begin({ threads: true })
    const { person, bot, room } = stage
    const root = await person.say(room, 'session?')
    await eventually(() => person.heard(room, bot).length === 1, 'the answer in the room')
    await relate(stage, 'session?', { rel_type: 'm.thread', event_id: root, is_falling_back: true })
    const answer = await eventually(
      () =>
        person
          .events(room)
          .find((event) => event.getSender() === bot && event.getWireContent()['m.relates_to'] !== undefined),
      'the answer in the thread',
    )
    await eventually(() => answer.getType() === 'm.room.message', 'its text')
    const { rel_type: type, event_id: event } = answer.getWireContent()['m.relates_to'] ?? {}
    assert.deepEqual([type, event], ['m.thread', root])
    assert.notEqual(answer.getContent()['body'], person.heard(room, bot)[0])
  })

  test('among several, only what is addressed to the bot is heard', async () => {
    await using stage = await begin({}, { group_mention_only: true })
    const { person, bot, room } = stage
    using guest = await EncryptedPerson.arrive(synapse, `guest${count}`)
    await person.client.invite(room, guest.id)
    await guest.client.joinRoom(room)
    await person.waitForMember(room, guest.id)
    await person.say(room, 'say not for you')
    await send(stage, {
      msgtype: 'm.text',
      body: 'say by mention',
      'm.mentions': { user_ids: [bot] },
    })
    const answer = await shown(stage, /^by mention$/)
    await relate(stage, 'say by reply', { 'm.in_reply_to': { event_id: answer.getId() } })
    // What it answers comes with it, so the agent repeats both.
    await person.hears(room, bot, /by mention[\s\S]*say by reply/)
    assert.equal(texts(stage).length, 2)
  })
})
