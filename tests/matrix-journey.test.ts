import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { EncryptedPerson } from './support/encrypted-person.ts'
import { eventually } from './support/eventually.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from './support/synapse.ts'

const skip = await whyNoSynapse()

describe('Matrix, from end to end', { skip: skip ?? false }, () => {
  let synapse: Synapse
  let owner: MatrixPerson
  let stranger: MatrixPerson
  let count = 0

  before(async () => {
    synapse = await startSynapse()
    owner = await MatrixPerson.arrive(synapse, 'owner')
    stranger = await MatrixPerson.arrive(synapse, 'stranger')
  })
  after(() => synapse?.stop())

  async function begin(more: Readonly<Record<string, unknown>> = {}) {
    count += 1
    const name = `bot${count}`
    await synapse.register(name, 'secret-of-bot')
    const botId = `@${name}:${synapse.serverName}`
    const matrix = {
      homeserver: synapse.url,
      user_id: botId,
      password: 'secret-of-bot',
      allowed_rooms: [],
      allowed_users: [owner.id],
      ...more,
    }
    const home = new Home({ transport: 'matrix', matrix, provider: 'demo' })
    return { botId, matrix, home, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() }
  }

  /** What the bot has said in the room, oldest first. */
  async function said(room: string, botId: string): Promise<string[]> {
    const events = await owner.timeline(room)
    return events.flatMap(({ type, sender, content }) =>
      type === 'm.room.message' && sender === botId ? [String(content['body'])] : [],
    )
  }

  test('text, tool, text come as two messages; the first log-in is the last with a password', async () => {
    await using stage = await begin()
    const running = stage.home.start()
    assert.match(await running.ready(), new RegExp(`^ready matrix ${stage.botId} in \\d+ ms$`))
    const room = await owner.direct(stage.botId)
    await owner.say(room, 'say: Looking | tool: ls | say: Found it')
    await eventually(async () => (await said(room, stage.botId)).length === 2)
    assert.deepEqual(await said(room, stage.botId), ['Looking', 'Found it'])
    const file = join(stage.home.folder, 'matrix_store', 'credentials.json')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(join(stage.home.folder, 'matrix_store')).mode & 0o777, 0o700)
    await running.stop()

    const { password: _, ...rest } = stage.matrix
    stage.home.configure({ transport: 'matrix', matrix: rest, provider: 'demo' })
    const { device_id: device } = JSON.parse(readFileSync(file, 'utf8'))
    await owner.say(room, '!status')
    await stage.home.start().ready()
    await eventually(async () =>
      (await said(room, stage.botId)).some((text) => /Nothing is running/.test(text)),
    )
    assert.equal(JSON.parse(readFileSync(file, 'utf8')).device_id, device)
  })

  test("a stranger gets silence, and a stranger's invitation is declined", async () => {
    await using stage = await begin()
    await stage.home.start().ready()
    const room = await owner.direct(stage.botId)
    await owner.say(room, 'say: here')
    await eventually(async () => (await said(room, stage.botId)).includes('here'))
    await owner.invite(room, stranger.id)
    await stranger.join(room)
    await stranger.say(room, 'say: pwned')
    const foreign = await stranger.direct(stage.botId)
    await eventually(async () => (await stranger.membership(foreign, stage.botId)) === 'leave')
    await owner.say(room, 'say: still mine')
    await eventually(async () => (await said(room, stage.botId)).includes('still mine'))
    assert.deepEqual(await said(room, stage.botId), ['here', 'still mine'])
  })

  test('a turn that was cut off is asked about, and a typed number answers', async () => {
    await using stage = await begin()
    const first = stage.home.start()
    await first.ready()
    const room = await owner.direct(stage.botId)
    await owner.say(room, 'wait: 3600000 | say: never')
    await eventually(() => stage.home.journal().length === 1)
    await first.kill()
    stage.home.start()
    await eventually(async () => (await said(room, stage.botId)).some((text) => /I was restarted/.test(text)))
    await owner.say(room, '2')
    await eventually(() => stage.home.journal().length === 2)
  })

  test('what belongs into a room that the bot was put out of ends as not delivered, and says why', async () => {
    await using stage = await begin()
    await stage.home.start().ready()
    const room = await owner.direct(stage.botId)
    const asked = await owner.say(room, 'wait 500 | say too late')
    await eventually(() => stage.home.journal().length > 0, 'the turn')
    await owner.kick(room, stage.botId)
    await eventually(async () => (await stage.home.status()).outbox.failed === 1, 'the end of trying')
    assert.equal((await stage.home.status()).outbox.pending, 0)
    const { stdout } = await stage.home.run('trace', asked)
    assert.match(stdout, new RegExp(`not delivered: the bot was put out of the room ${room} by ${owner.id}`))
  })

  test('what waits in a thread can be changed and taken back, also after a restart', async () => {
    await using stage = await begin({ threads: true })
    const first = stage.home.start()
    await first.ready()
    const room = await owner.direct(stage.botId)
    await owner.waitForMembership(room, stage.botId, 'join')
    const thread = { 'm.relates_to': { rel_type: 'm.thread', event_id: await owner.say(room, 'say: root') } }
    await owner.say(room, 'wait: 3600000', thread)
    await eventually(() => stage.home.journal().length >= 2, 'the turn in the thread')
    await owner.say(room, 'wait: 3600000 | say: second', thread)
    const changed = await owner.say(room, 'say: third', thread)
    const dropped = await owner.say(room, 'say: fourth', thread)
    await eventually(async () => (await stage.home.status()).turns.queued === 3, 'the queue')
    await first.kill()
    await stage.home.start().ready()
    await owner.edit(room, changed, 'say: third, better')
    await owner.redact(room, dropped)
    await eventually(
      async () => /taken back while it waited/.test((await stage.home.run('trace', dropped)).stdout),
      'the redaction',
    )
    assert.match((await stage.home.run('trace', changed)).stdout, /edited while it waited/)
  })

  test('several files and the words about them are one turn', async () => {
    await using stage = await begin()
    await stage.home.start().ready()
    const room = await owner.direct(stage.botId)
    await owner.waitForMembership(room, stage.botId, 'join')
    const url = await owner.upload(new Uint8Array([1]), 'text/plain')
    for (const name of ['one.txt', 'two.txt']) await owner.say(room, name, { msgtype: 'm.file', url })
    await owner.say(room, 'attachments?')
    await eventually(async () => /one\.txt[\s\S]*two\.txt/.test((await said(room, stage.botId)).join('\n')))
    assert.equal(stage.home.journal().filter(({ event }) => event === 'begun').length, 1)
  })

  test('the owner is told of a file that cannot be used, in an encrypted chat that the bot begins', async () => {
    using person = await EncryptedPerson.arrive(synapse, 'reader')
    await using stage = await begin({ allowed_users: [person.id] })
    await stage.home.start().ready()
    stage.home.configure('{ "transport": ')
    const room = await eventually(
      () => person.client.getRooms().find((one) => one.getMyMembership() === 'invite')?.roomId,
      'the invitation',
    )
    await person.client.joinRoom(room)
    await person.hears(room, stage.botId, /config\.json/)
    await person.say(room, 'say: I see')
    await person.hears(room, stage.botId, 'I see')
  })

  test('with streaming by edits an answer is one message, which grows', async () => {
    await using stage = await begin({ streaming: 'edits' })
    await stage.home.start().ready()
    const room = await owner.direct(stage.botId)
    await owner.say(room, 'slow 30')
    await eventually(
      () => stage.home.journal().some(({ event }) => event === 'finished'),
      'the end of the turn',
    )
    await stage.home.quiet()
    const [message, ...edits] = await owner.messagesOf(room, stage.botId)
    assert.ok(edits.length > 0)
    for (const { content } of edits)
      assert.deepEqual(content['m.relates_to'], { rel_type: 'm.replace', event_id: message?.event_id })
    const texts = edits.map(({ content }) => (content['m.new_content'] as { body: string }).body)
    assert.match(texts.at(-1) ?? '', /\b30\b/)
    assert.doesNotMatch(String(message?.content['body']), /\b30\b/)
  })

  test('a question as a poll is answered by a vote, and gives way to what was chosen', async () => {
    await using stage = await begin()
    stage.home.configure({
      transport: 'matrix',
      matrix: { ...stage.matrix, choices: 'polls' },
      provider: 'demo',
    })
    await stage.home.start().ready()
    const room = await owner.direct(stage.botId)
    await owner.say(room, 'permission ls | say went on')
    const start = 'org.matrix.msc3381.poll.start'
    const poll = await owner.waitForEvent(room, 'the poll', ({ type }) => type === start)
    const response = 'org.matrix.msc3381.poll.response'
    await owner.send(room, response, {
      'm.relates_to': { rel_type: 'm.reference', event_id: poll.event_id },
      [response]: { answers: ['1'] },
    })
    await eventually(async () => (await said(room, stage.botId)).includes('went on'), 'the rest of the turn')
    await stage.home.quiet()
    assert.ok((await said(room, stage.botId)).some((text) => text.endsWith('→ Allow')))
    const gone = (await owner.timeline(room)).find(({ event_id: id }) => id === poll.event_id)
    assert.ok(gone?.unsigned?.redacted_because !== undefined)
  })

  test('both transports run side by side, and one that fails does not stop the other', async () => {
    await using stage = await begin()
    const telegram = await FakeTelegram.start()
    try {
      stage.home.configure({
        transports: ['telegram', 'matrix'],
        telegram_token: telegram.token,
        telegram_api_root: telegram.apiRoot,
        allowed_user_ids: [1],
        matrix: { ...stage.matrix, password: 'wrong' },
        provider: 'demo',
      })
      const running = stage.home.start()
      assert.match(await running.ready(), /^ready telegram @ductor_bot, matrix \S+ failed \(/)
      telegram.person(1).writes('say: hello')
      await eventually(() => telegram.posts(1).some(({ text }) => text === 'hello'))
    } finally {
      await telegram.stop()
    }
  })
})
