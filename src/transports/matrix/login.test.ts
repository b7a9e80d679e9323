import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'
import { eventually } from '../../../tests/support/eventually.ts'
import { startSynapse, whyNoSynapse, type Synapse } from '../../../tests/support/synapse.ts'
import { FatalError } from '../../core/transport.ts'
import { arrive, freshName, TestBot } from './bot.fake.ts'

const missing = await whyNoSynapse()

describe('logging in to Matrix', missing === undefined ? {} : { skip: missing }, async () => {
  if (missing !== undefined) return
  const synapse = await startSynapse()
  after(() => synapse.stop())

  test('the first start logs in with the password and keeps the log-in for the owner alone', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    const file = await credentials(bot)
    assert.equal(file.user_id, bot.id)
    assert.equal(file.homeserver, synapse.url)
    assert.deepEqual(await synapse.devices(bot.id), [file.device_id])
    assert.equal((await stat(join(bot.home, 'matrix_store/credentials.json'))).mode & 0o777, 0o600)
    assert.equal((await stat(join(bot.home, 'matrix_store'))).mode & 0o777, 0o700)
    assert.equal(bot.reports.at(-1)?.account, bot.id)
  })

  test('the second start needs no password and stays the same device', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    const before = await credentials(bot)
    bot.configure({ password: '' })
    await bot.start()
    assert.deepEqual(await credentials(bot), before)
    assert.deepEqual(await synapse.devices(bot.id), [before.device_id])
  })

  test('a password that is not needed any more is named in the log', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    assert.equal(bot.logged(/password is not needed/).length, 0)
    await bot.start()
    assert.equal(bot.logged(/password is not needed/).length, 1)
  })

  test('a wrong password is fatal, is tried once, and is in no message', async (t) => {
    const bot = await newBot(t, synapse, { password: 'wrong password' })
    await bot.launch()
    await assert.rejects(bot.listening, (error) => {
      assert.ok(error instanceof FatalError)
      assert.match(error.message, /refuses the password of @/)
      return true
    })
    const told = JSON.stringify([bot.reports, bot.log])
    assert.doesNotMatch(told, /wrong password/)
    assert.match(bot.reports.at(-1)?.detail ?? '', /matrix\.password/)
  })

  test('without anything to log in with it says what is needed', async (t) => {
    const bot = await newBot(t, synapse, { password: '' })
    await bot.launch()
    await assert.rejects(bot.listening, /Set matrix\.password .* or matrix\.access_token together with/)
  })

  test('a configured token with its device is used and kept', async (t) => {
    const bot = await newBot(t, synapse)
    const account = await synapse.login(bot.id, 'correct horse')
    bot.configure({ password: '', access_token: account.accessToken, device_id: account.deviceId })
    await bot.start()
    assert.equal((await credentials(bot)).access_token, account.accessToken)
    bot.configure({ access_token: '', device_id: '' })
    await bot.start()
    assert.deepEqual(await synapse.devices(bot.id), [account.deviceId])
  })

  test('a configured token of another account, or of another device, is named as such', async (t) => {
    const bot = await newBot(t, synapse)
    const stranger = await arrive(synapse, 'stranger')
    const { accessToken, deviceId } = stranger.account
    bot.configure({ password: '', access_token: accessToken, device_id: deviceId })
    await bot.launch()
    await assert.rejects(
      bot.listening,
      new RegExp(`belongs to ${stranger.id}, but matrix\\.user_id is ${bot.id}`),
    )

    const own = await synapse.login(bot.id, 'correct horse')
    bot.configure({ access_token: own.accessToken, device_id: 'WRONG' })
    await bot.launch()
    await assert.rejects(bot.listening, new RegExp(`made for the device ${own.deviceId}`))
  })

  test('a file of the Python program, without a homeserver, is accepted and not open to others', async (t) => {
    const bot = await newBot(t, synapse, { password: '' })
    const { deviceId, accessToken } = await synapse.login(bot.id, 'correct horse')
    const path = await writeCredentials(bot, {
      user_id: bot.id,
      device_id: deviceId,
      access_token: accessToken,
    })
    await chmod(path, 0o644)
    await bot.start()
    assert.equal((await stat(path)).mode & 0o777, 0o600)
  })

  for (const [what, half] of [
    ['half a file', '{"user_id": "@bot:hs.test", "device_'],
    ['a file without a token', '{"user_id": "@bot:hs.test", "device_id": "ABC"}'],
    ['an empty file', ''],
  ] as const) {
    test(`${what} is no log-in: the password is used`, async (t) => {
      const bot = await newBot(t, synapse)
      await writeCredentials(bot, half)
      await bot.start()
      assert.equal((await credentials(bot)).user_id, bot.id)
      assert.equal(bot.logged(/credentials\.json cannot be used/).length, 1)
    })
  }

  test('a file of another account or homeserver is left as it is', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    const path = join(bot.home, 'matrix_store/credentials.json')
    const before = await readFile(path, 'utf8')
    const other = await synapse.register(freshName('other'), 'secret')
    bot.configure({ user_id: other.userId, password: '' })
    await bot.launch()
    await assert.rejects(bot.listening, /nothing to log in with/)
    assert.equal(await readFile(path, 'utf8'), before)
    assert.equal(bot.logged(/of another account/).length, 1)

    bot.configure({ user_id: bot.id, homeserver: synapse.url.replace('127.0.0.1', 'localhost') })
    await bot.launch()
    await assert.rejects(bot.listening, /nothing to log in with/)
    assert.equal(await readFile(path, 'utf8'), before)
    assert.equal(bot.logged(/of another homeserver/).length, 1)
  })

  test('a log-in to another account puts the file of the one before aside', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    const before = await readFile(join(bot.home, 'matrix_store/credentials.json'), 'utf8')
    const { device_id: device } = await credentials(bot)
    const other = await synapse.register(freshName('other'), 'secret')
    bot.configure({ user_id: other.userId, password: 'secret' })
    await bot.start()
    assert.equal((await credentials(bot))['user_id'], other.userId)
    const aside = join(bot.home, `matrix_store/credentials-old-${device}.json`)
    assert.equal(await readFile(aside, 'utf8'), before)
    assert.equal((await stat(aside)).mode & 0o777, 0o600)
    assert.equal(bot.logged(/put aside/).length, 2, 'the log-in, and the keys of its device')
  })

  test('a token that has run out is renewed by the password, on the same device', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    const before = await credentials(bot)
    await bot.stop()
    await synapse.expireTokens(bot.id)
    await bot.start()
    const now = await credentials(bot)
    assert.equal(now.device_id, before.device_id)
    assert.notEqual(now.access_token, before.access_token)
  })

  test('a device that was removed while the bot runs is replaced, and the bot hears on', async (t) => {
    const bot = await newBot(t, synapse)
    const owner = await arrive(synapse, 'owner')
    const room = await owner.direct(bot.id)
    await bot.start()
    await owner.waitForMembership(room, bot.id, 'join')
    const before = await credentials(bot)
    await synapse.endSessions(bot.id)
    // The long poll that runs may still be answered; the next one is not.
    await owner.say(room, 'are you there?')
    await eventually(async () => (await credentials(bot)).device_id !== before.device_id, 'another device')
    await owner.say(room, 'and now?')
    const heard = await bot.messages(2)
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['are you there?', 'and now?'],
    )
  })

  test('a post that meets a dead token waits for the new log-in', async (t) => {
    const bot = await newBot(t, synapse)
    const owner = await arrive(synapse, 'owner')
    const room = await owner.direct(bot.id)
    await bot.start()
    await owner.waitForMembership(room, bot.id, 'join')
    await synapse.endSessions(bot.id)
    const content = { msgtype: 'm.text', body: 'hello' }
    await assert.rejects(bot.post(room, 'one', content), { name: 'DeliveryError', failure: 'unreachable' })
    await eventually(() => bot.post(room, 'one', content), 'the new log-in')
    assert.equal((await owner.messagesOf(room, bot.id)).length, 1)
  })

  test('a dead token without a password is fatal, and says what to do', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    await bot.stop()
    await synapse.endSessions(bot.id)
    bot.configure({ password: '' })
    await bot.launch()
    await assert.rejects(bot.listening, (error) => {
      assert.ok(error instanceof FatalError)
      assert.match(error.message, /Put matrix\.password into config\.json/)
      return true
    })
  })

  test('a new token in the configuration mends a dead one in the file', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    await bot.stop()
    await synapse.endSessions(bot.id)
    const { accessToken, deviceId } = await synapse.login(bot.id, 'correct horse')
    bot.configure({ password: '', access_token: accessToken, device_id: deviceId })
    await bot.start()
    assert.equal((await credentials(bot)).device_id, deviceId)
  })

  test('a changed password does not lead to a loop of log-ins', async (t) => {
    const bot = await newBot(t, synapse)
    await bot.start()
    await synapse.changePassword(bot.id, 'battery staple')
    await assert.rejects(bot.listening, /refuses the password/)
    assert.equal(bot.logged(/logged in to Matrix/).length, 1)
  })

  test('a homeserver that is down at the start is no reason to give up', async (t) => {
    const bot = await newBot(t, synapse)
    await synapse.down()
    try {
      await bot.launch()
      const { detail } = await bot.waitForReport('failed')
      assert.match(detail ?? '', /ECONNREFUSED/)
    } finally {
      await synapse.up()
    }
    await bot.waitForReport('connected')
  })

  test('a homeserver that goes away and comes back is reported, and nothing is lost', async (t) => {
    const bot = await newBot(t, synapse)
    const owner = await arrive(synapse, 'owner')
    const room = await owner.direct(bot.id)
    await bot.start()
    await owner.waitForMembership(room, bot.id, 'join')
    await synapse.down()
    await bot.waitForReport('failed')
    bot.reports.length = 0
    await synapse.up()
    await owner.say(room, 'welcome back')
    await bot.waitForReport('connected')
    const [message] = await bot.messages(1)
    assert.equal(message?.text, 'welcome back')
  })

  test('the homeserver is found by the .well-known of the configured address', async (t) => {
    const delegating = createServer((request, response) => {
      const known = request.url === '/.well-known/matrix/client'
      response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' })
      response.end(JSON.stringify(known ? { 'm.homeserver': { base_url: `${synapse.url}/` } } : {}))
    }).listen(0, '127.0.0.1')
    await once(delegating, 'listening')
    t.after(() => delegating.close())
    const address = delegating.address()
    assert.ok(typeof address === 'object' && address !== null)
    const bot = await newBot(t, synapse, { homeserver: `http://127.0.0.1:${address.port}` })
    await bot.start()
    const [line] = bot.logged(/found by its \.well-known/)
    assert.equal(line?.fields['homeserver'], synapse.url)
  })

  test('an address where no homeserver lives is named, and tried again', async (t) => {
    const website = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end('<h1>Hello</h1>')
    }).listen(0, '127.0.0.1')
    await once(website, 'listening')
    t.after(() => website.close())
    const address = website.address()
    assert.ok(typeof address === 'object' && address !== null)
    const bot = await newBot(t, synapse, { homeserver: `http://127.0.0.1:${address.port}` })
    await bot.launch()
    const { detail } = await bot.waitForReport('failed')
    assert.match(detail ?? '', /not as a Matrix homeserver does/)
  })
})

describe('a homeserver with rules of its own', missing === undefined ? {} : { skip: missing }, () => {
  test('one without passwords is told from one with a wrong password', async (t) => {
    const synapse = await startSynapse({ settings: { password_config: { enabled: false } } })
    t.after(() => synapse.stop())
    const bot = await newBot(t, synapse)
    await bot.launch()
    await assert.rejects(bot.listening, (error) => {
      assert.ok(error instanceof FatalError)
      assert.match(error.message, /no log-in by password .*matrix\.access_token/)
      return true
    })
  })

  test('one that is asked too often is given the time that it wants', async (t) => {
    const seldom = { per_second: 0.5, burst_count: 1 }
    const synapse = await startSynapse({
      settings: { rc_login: { address: seldom, account: seldom, failed_attempts: seldom } },
    })
    t.after(() => synapse.stop())
    const bot = await newBot(t, synapse)
    await synapse.login(bot.id, 'correct horse')
    await bot.launch()
    await bot.waitForReport('failed', /asks to wait \d+ s/)
    await bot.waitForReport('connected')
  })
})

async function newBot(
  t: TestContext,
  synapse: Synapse,
  matrix: Readonly<Record<string, unknown>> = {},
): Promise<TestBot & { readonly id: string }> {
  return TestBot.arrive(t, synapse, freshName('bot'), matrix)
}

async function credentials(bot: TestBot): Promise<Record<string, string>> {
  const text = await readFile(join(bot.home, 'matrix_store/credentials.json'), 'utf8')
  return JSON.parse(text) as Record<string, string>
}

async function writeCredentials(bot: TestBot, content: object | string): Promise<string> {
  const folder = join(bot.home, 'matrix_store')
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'credentials.json')
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}
