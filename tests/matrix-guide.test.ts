import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { commands } from '../src/commands/index.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from './support/synapse.ts'

/** What the setup guide of Matrix promises, sentence by sentence, on a real homeserver. */

const skip = await whyNoSynapse()
const password = 'the password of the account'

type Block = Readonly<Record<string, unknown>>

describe('the guide of Matrix', { skip: skip ?? false }, () => {
  let synapse: Synapse
  let owner: MatrixPerson
  let stranger: MatrixPerson
  let count = 0

  before(async () => {
    synapse = await startSynapse()
    owner = await MatrixPerson.arrive(synapse, 'you')
    stranger = await MatrixPerson.arrive(synapse, 'stranger')
  })
  after(() => synapse?.stop())

  /** A home that is set up as the guide says, with an account of its own. Not started. */
  async function begin(block: Block = {}, more: Block = {}) {
    count += 1
    const { userId: botId } = await synapse.register(`my_ductor_bot${count}`, password)
    const account = { homeserver: synapse.url, user_id: botId, password }
    const matrix: Block = { ...account, allowed_rooms: [], allowed_users: [owner.id], ...block }
    const home = new Home({ transport: 'matrix', matrix, provider: 'demo', ...more })
    const configure = (other: Block) =>
      home.configure({ transport: 'matrix', matrix: { ...matrix, ...other }, provider: 'demo', ...more })
    return { botId, home, configure, matrix, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() }
  }

  async function meet(botId: string, by = owner): Promise<string> {
    const room = await by.direct(botId)
    await by.waitForMembership(room, botId, 'join')
    return room
  }

  /** What the bot has said in the room, oldest first. */
  async function said(room: string, botId: string, witness = owner): Promise<readonly string[]> {
    return (await witness.messagesOf(room, botId)).map(({ content }) => String(content['body']))
  }

  async function hears(room: string, botId: string, what: string | RegExp, witness = owner): Promise<void> {
    await eventually(
      async () =>
        (await said(room, botId, witness)).some((text) =>
          typeof what === 'string' ? text === what : what.test(text),
        ),
      `${what} in the room`,
    )
  }

  test('the three values of an account are all that is needed, on any homeserver', async () => {
    await using stage = await begin({ allowed_rooms: undefined })
    assert.match(await stage.home.start().ready(), new RegExp(`^ready matrix ${stage.botId} `))
  })

  test('Option C: the file as the guide prints it starts without a word of Telegram, and again', async () => {
    const { userId: botId } = await synapse.register('option_c', password)
    const account = { homeserver: synapse.url, user_id: botId, password }
    const matrix = { ...account, allowed_rooms: [], allowed_users: [owner.id] }
    const file = JSON.stringify({ transport: 'matrix', matrix }, null, 2)
    // Somebody who follows the guide has a coding agent; here it only has to be found.
    const programs = mkdtempSync(join(tmpdir(), 'ductor-programs-'))
    writeFileSync(join(programs, 'claude'), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    await using home = new Home(undefined, { PATH: `${programs}:${process.env['PATH'] ?? ''}` })
    home.configure(file)
    for (const _ of ['first', 'second']) {
      const running = home.start()
      assert.match(await running.ready(), new RegExp(`^ready matrix ${botId} `))
      await running.stop()
    }
    assert.equal(readFileSync(join(home.folder, 'config', 'config.json'), 'utf8'), file)
    rmSync(programs, { recursive: true })
  })

  test('the first log-in is with the password and writes credentials.json; the next ones need none', async () => {
    await using stage = await begin()
    const first = stage.home.start()
    await first.ready()
    const file = join(stage.home.folder, 'matrix_store', 'credentials.json')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const credentials = JSON.parse(readFileSync(file, 'utf8'))
    assert.equal(credentials.user_id, stage.botId)
    await first.stop()
    stage.configure({ password: undefined })
    await stage.home.start().ready()
    assert.equal(JSON.parse(readFileSync(file, 'utf8')).device_id, credentials.device_id)
    assert.equal((await synapse.devices(stage.botId)).length, 1)
  })

  test('a token and its device can be set by hand, but only together', async () => {
    await using stage = await begin()
    const account = await synapse.login(stage.botId, password)
    stage.configure({ password: undefined, access_token: account.accessToken })
    const without = await stage.home.run()
    assert.equal(without.code, 1)
    assert.match(without.stderr + without.stdout, /matrix\.device_id.*is missing/)
    stage.configure({ password: undefined, device_id: account.deviceId })
    const tokenless = await stage.home.run()
    assert.match(tokenless.stderr + tokenless.stdout, /matrix\.access_token.*is missing/)
    stage.configure({ password: undefined, access_token: account.accessToken, device_id: account.deviceId })
    await stage.home.start().ready()
    assert.deepEqual(await synapse.devices(stage.botId), [account.deviceId])
  })

  test('store_path is relative to the home folder, and holds everything of the log-in', async () => {
    await using stage = await begin({ store_path: 'keys/of matrix' })
    await stage.home.start().ready()
    const folder = join(stage.home.folder, 'keys', 'of matrix')
    assert.ok(readdirSync(folder).includes('credentials.json'))
    assert.ok(!readdirSync(stage.home.folder).includes('matrix_store'))
  })

  test('allowed_rooms: empty is every room, else only those listed by id or by alias', async () => {
    const byId = await owner.createRoom()
    const byAlias = await owner.createRoom({ room_alias_name: 'guide-room' })
    const other = await owner.createRoom()
    await using closed = await begin({ allowed_rooms: [byId, `#guide-room:${synapse.serverName}`] })
    await closed.home.start().ready()
    for (const room of [byId, byAlias, other]) await owner.invite(room, closed.botId)
    await owner.waitForMembership(other, closed.botId, 'leave')
    for (const room of [byId, byAlias]) {
      await owner.waitForMembership(room, closed.botId, 'join')
      await owner.say(room, 'say here')
      await hears(room, closed.botId, 'here')
    }
    await using open = await begin()
    await open.home.start().ready()
    await owner.invite(other, open.botId)
    await owner.say(other, 'say here too')
    await hears(other, open.botId, 'here too')
  })

  test('allowed_users: others are not heard, as writers, as pressers and as inviters; empty is everyone', async () => {
    await using stage = await begin()
    await stage.home.start().ready()
    const room = await meet(stage.botId)
    await owner.invite(room, stranger.id)
    await stranger.join(room)
    await stranger.say(room, 'say pwned')
    await owner.say(room, 'permission rm -rf /')
    const question = await eventually(async () =>
      (await owner.messagesOf(room, stage.botId)).find(({ content }) => /1️⃣/.test(String(content['body']))),
    )
    await stranger.react(room, question.event_id, '1️⃣')
    await stranger.say(room, '1')
    const foreign = await stranger.direct(stage.botId)
    await stranger.waitForMembership(foreign, stage.botId, 'leave')
    const deny = /(\d+)️⃣ Deny/u.exec(String(question.content['body']))?.[1] ?? assert.fail('no Deny')
    await owner.react(room, question.event_id, `${deny}\uFE0F\u20E3`)
    await eventually(async () => JSON.stringify(await owner.timeline(room)).includes('→ Deny'))
    assert.ok(!(await said(room, stage.botId)).includes('pwned'))
    const log = JSON.parse((await stage.home.run('status', '--json')).stdout)
    assert.equal(log.turns.queued, 0)

    await using everyone = await begin({ allowed_users: [] })
    const running = everyone.home.start()
    await running.ready()
    assert.match(running.stdout + running.stderr, /allowed_users.*is empty, so everyone/)
    const guest = await meet(everyone.botId, stranger)
    await stranger.say(guest, 'say welcome')
    await hears(guest, everyone.botId, 'welcome', stranger)
  })

  test('group_mention_only: among several, only what is addressed to the bot, and never from strangers', async () => {
    await using stage = await begin({}, { group_mention_only: true })
    await stage.home.start().ready()
    const room = await meet(stage.botId)
    await owner.say(room, 'say between us')
    await hears(room, stage.botId, 'between us')
    await owner.invite(room, stranger.id)
    await stranger.join(room)
    await owner.say(room, 'say not for you')
    const name = stage.botId.slice(1, stage.botId.indexOf(':'))
    const html = (body: string) => ({
      format: 'org.matrix.custom.html',
      formatted_body: `<a href="https://matrix.to/#/${stage.botId}">${name}</a>: ${body}`,
    })
    await owner.say(room, `${stage.botId} say by id`)
    await owner.say(room, `${name}: say by name`)
    await owner.say(room, `${name}: say by pill`, html('say by pill'))
    await owner.say(room, 'say by mention', { 'm.mentions': { user_ids: [stage.botId] } })
    const [first] = await owner.messagesOf(room, stage.botId)
    await owner.reply(room, first?.event_id ?? '', 'say by reply')
    await stranger.say(room, `${name}: say I am a stranger`, { 'm.mentions': { user_ids: [stage.botId] } })
    await hears(room, stage.botId, /by reply/)
    await owner.say(room, `${name}: say the end`)
    await hears(room, stage.botId, 'the end')
    const answers = (await said(room, stage.botId))
      .filter((text) => !/waiting|before this/i.test(text))
      .map((text) => (/say by reply/.test(text) ? 'in reply' : text))
    assert.deepEqual(answers, [
      'between us',
      'by id',
      'by name',
      'by pill',
      'by mention',
      'in reply',
      'the end',
    ])
  })

  test('an invitation into a room that is not allowed is rejected, without ever going in', async () => {
    const listed = await owner.createRoom()
    await using stage = await begin({ allowed_rooms: [listed] })
    await stage.home.start().ready()
    const room = await owner.direct(stage.botId)
    await owner.say(room, 'say hello')
    await owner.waitForMembership(room, stage.botId, 'leave')
    const memberships = (await owner.timeline(room)).flatMap(({ state_key: key, content }) =>
      key === stage.botId ? [content['membership']] : [],
    )
    assert.deepEqual(memberships, ['invite', 'leave'])
    assert.deepEqual(stage.home.journal(), [])
  })

  test('a bot that does not join says why: the room is not listed, or the inviter is not', async () => {
    const listed = await owner.createRoom()
    await using stage = await begin({ allowed_rooms: [listed] })
    await stage.home.start().ready()
    const room = await owner.direct(stage.botId)
    await owner.waitForMembership(room, stage.botId, 'leave')
    await eventually(
      () => logOf(stage.home.folder).includes(`room ${room} is not in the list of allowed rooms`),
      'the reason in the log',
    )
    await stranger.call('POST', `/join/${encodeURIComponent(listed)}`).catch(() => {})
    await owner.invite(listed, stage.botId)
    await owner.waitForMembership(listed, stage.botId, 'join')
  })

  test('choices: reactions 1️⃣–🔟 and numbers to type, up to twelve and more; once only', async () => {
    await using stage = await begin()
    await stage.home.start().ready()
    const room = await meet(stage.botId)
    const labels = Array.from({ length: 12 }, (_, index) => `say option ${index + 1}`)
    const ask = async (turn: number) => {
      await owner.say(room, `buttons ${labels.join('|')}`)
      return eventually(async () => {
        const asked = (await owner.messagesOf(room, stage.botId)).filter(({ content }) =>
          /🔟 say option 10\n11\. say option 11/.test(String(content['body'])),
        )
        return asked[turn]
      }, 'the list')
    }
    const first = await ask(0)
    const keycaps = async (ref: string) =>
      (await owner.timeline(room)).flatMap(({ type, sender, content, unsigned }) => {
        const relation = content['m.relates_to'] as { event_id?: string; key?: string } | undefined
        const here = type === 'm.reaction' && sender === stage.botId && relation?.event_id === ref
        return here && unsigned?.redacted_because === undefined ? [relation?.key] : []
      })
    const ten = ['1', '2', '3', '4', '5', '6', '7', '8', '9'].map((digit) => `${digit}\uFE0F\u20E3`)
    await eventually(async () => (await keycaps(first.event_id)).length === 10, 'the reactions')
    assert.deepEqual(await keycaps(first.event_id), [...ten, '🔟'])
    await owner.say(room, '11')
    await hears(room, stage.botId, 'option 11')
    await owner.react(room, first.event_id, '2\u20E3')
    await eventually(async () => (await keycaps(first.event_id)).length === 0, 'the end of the choice')
    const second = await ask(1)
    await owner.react(room, second.event_id, '3\u20E3')
    await hears(room, stage.botId, 'option 3')
    await owner.say(room, 'say done')
    await hears(room, stage.botId, 'done')
    assert.ok(!(await said(room, stage.botId)).includes('option 2'), 'pressed too late')
  })

  test('every command is known as /command and as !command, and an unknown !word is a prompt', async () => {
    await using stage = await begin()
    await stage.home.start().ready()
    const room = await meet(stage.botId)
    await owner.say(room, '!hurrah')
    await eventually(() => stage.home.journal().some(({ text }) => text === '!hurrah'), 'the prompt')
    await stage.home.quiet()
    const prompts = stage.home.journal().length
    // Those would end the program, or need something to act on.
    const quiet = commands.map(({ name }) => name).filter((name) => !['restart', 'upgrade'].includes(name))
    for (const prefix of ['/', '!']) {
      for (const name of quiet) {
        const answers = (await said(room, stage.botId)).length
        await owner.say(room, prefix + name)
        await eventually(async () => (await said(room, stage.botId)).length > answers, prefix + name, 5000)
      }
    }
    assert.equal(stage.home.journal().length, prompts, 'none of them reached the agent')
  })

  test('instead of topics: each room is a conversation of its own', async () => {
    await using stage = await begin()
    await stage.home.start().ready()
    const rooms = [await meet(stage.botId), await meet(stage.botId)]
    for (const room of rooms) {
      await owner.say(room, 'session?')
      await eventually(async () => (await said(room, stage.botId)).length === 1)
    }
    const sessions = await Promise.all(rooms.map(async (room) => (await said(room, stage.botId))[0]))
    assert.notEqual(sessions[0], sessions[1])
  })

  test('what people send lies in matrix_files', async () => {
    await using stage = await begin()
    await stage.home.start().ready()
    const room = await meet(stage.botId)
    const url = await owner.upload(new Uint8Array([1, 2, 3]), 'application/octet-stream')
    await owner.say(room, 'attachments?', {
      msgtype: 'm.file',
      filename: 'a file.bin',
      url,
      info: { size: 3 },
    })
    const day = new Date().toISOString().slice(0, 10)
    await hears(room, stage.botId, new RegExp(`matrix_files[\\\\/]${day}[\\\\/]a file\\.bin`))
    const path = join(stage.home.folder, 'workspace', 'matrix_files', day, 'a file.bin')
    assert.deepEqual([...readFileSync(path)], [1, 2, 3])
  })

  test('conversations have the keys mx:<room-int>, and a room has the same number for ever', async () => {
    await using stage = await begin()
    const first = stage.home.start()
    await first.ready()
    const room = await meet(stage.botId)
    await owner.say(room, '!where')
    const int = createHash('sha256').update(room).digest().readBigUInt64BE().toString()
    await hears(room, stage.botId, new RegExp(`mx:${int}`))
    await first.stop()
    for (const name of readdirSync(stage.home.folder)) {
      if (name.startsWith('matrix_store')) rmSync(join(stage.home.folder, name), { recursive: true })
    }
    await stage.home.start().ready()
    await owner.say(room, '!where')
    await eventually(
      async () => (await said(room, stage.botId)).filter((text) => text.includes(`mx:${int}`)).length === 2,
    )
  })

  test('a log-in that fails says what to mend', async () => {
    await using stage = await begin()
    for (const [block, words] of [
      [{ homeserver: 'http://matrix.example.org' }, /must begin with https:\/\//],
      [{ homeserver: 'matrix.example.org' }, /full URL with https:\/\//],
      [{ user_id: 'my_bot' }, /full user id, @name:server\.domain/],
    ] as const) {
      stage.configure(block)
      const { code, stderr, stdout } = await stage.home.run()
      assert.equal(code, 1)
      assert.match(stderr + stdout, words)
    }
    stage.configure({ password: 'wrong' })
    const running = stage.home.start()
    assert.match(await running.ready(), /^ready matrix \S+ failed \(.*password/i)
  })

  test('a server name instead of the client URL is enough where the server says where that is', async () => {
    await using stage = await begin()
    const wellKnown = createServer((request, response) => {
      const asked = request.url === '/.well-known/matrix/client'
      response.writeHead(asked ? 200 : 404, { 'content-type': 'application/json' })
      response.end(asked ? JSON.stringify({ 'm.homeserver': { base_url: synapse.url } }) : '<html>')
    }).listen(0, '127.0.0.1')
    try {
      await eventually(() => wellKnown.listening)
      const address = wellKnown.address()
      assert.ok(typeof address === 'object' && address !== null)
      stage.configure({ homeserver: `http://127.0.0.1:${address.port}` })
      assert.match(await stage.home.start().ready(), new RegExp(`^ready matrix ${stage.botId} in `))
    } finally {
      wellKnown.closeAllConnections()
      wellKnown.close()
    }
  })

  test('a token that has ended is replaced by itself, and deleting credentials.json works as well', async () => {
    await using stage = await begin()
    const running = stage.home.start()
    await running.ready()
    const room = await meet(stage.botId)
    await synapse.endSessions(stage.botId)
    await owner.say(room, 'say still here')
    await hears(room, stage.botId, 'still here')
    await running.stop()
    const file = join(stage.home.folder, 'matrix_store', 'credentials.json')
    rmSync(file)
    const again = stage.home.start()
    await again.ready()
    await owner.say(room, 'say and again')
    await hears(room, stage.botId, 'and again')
    await again.stop()

    stage.configure({ password: undefined })
    const dead = { ...JSON.parse(readFileSync(file, 'utf8')), access_token: 'syt_dead' }
    writeFileSync(file, JSON.stringify(dead))
    assert.match(await stage.home.start().ready(), /^ready matrix \S+ failed \(.*no password to log in again/)
  })
})

function logOf(home: string): string {
  const folder = join(home, 'logs')
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('')
}
