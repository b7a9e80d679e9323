import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'

const owner = 4711

async function begin(more: object = {}) {
  const telegram = await FakeTelegram.start()
  const home = new Home({
    telegram_token: telegram.token,
    allowed_user_ids: [owner],
    telegram_api_root: telegram.apiRoot,
    provider: 'demo',
    ...more,
  })
  const person = telegram.person(owner)
  const texts = () => telegram.posts(owner).map(({ text }) => text ?? '')
  /** Whether it was sent or is only about to be. */
  const shows = (text: string | RegExp) =>
    eventually(
      () =>
        [...texts(), telegram.draft(owner)?.text ?? ''].some((shown) =>
          typeof text === 'string' ? shown === text : text.test(shown),
        ),
      String(text),
    )
  return {
    telegram,
    home,
    person,
    texts,
    shows,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]()
      await telegram.stop()
    },
  }
}

test('a message on Telegram reaches the agent, and text, tool, text come back as one edited message', async () => {
  await using stage = await begin()
  const running = stage.home.start()
  assert.match(await running.ready(), /^ready telegram @ductor_bot in \d+ ms$/)
  stage.person.writes('say: Looking | tool: ls | say: Found it')
  await stage.shows(/Looking[\s\S]*✓ ls[\s\S]*Found it/)
  assert.equal(stage.texts().length, 1)
  assert.deepEqual(stage.telegram.lints, [])
  assert.equal(await running.stop(), 0)
})

test('where drafts are not wanted, one message is edited as the turn goes on', async () => {
  await using stage = await begin({ streaming: { telegram: 'edits' } })
  await stage.home.start().ready()
  stage.person.writes('say: Looking | wait: 3000 | say: Found it')
  await stage.shows('Looking')
  assert.deepEqual(stage.texts(), ['Looking'])
  await stage.shows(/Looking[\s\S]*Found it/)
  assert.equal(stage.texts().length, 1)
  assert.deepEqual(stage.telegram.lints, [])
})

test('Telegram’s own Stop button stops the turn', async () => {
  await using stage = await begin()
  await stage.home.start().ready()
  stage.person.writes('slow: 1000')
  await stage.shows(/1 2/)
  stage.person.stops()
  await stage.shows('Stopped.')
  stage.person.writes('say: still here')
  await stage.shows('still here')
})

test('messages that came while it was down are answered at the next start, and the session goes on', async () => {
  await using stage = await begin()
  stage.person.writes('hello')
  const first = stage.home.start()
  await stage.shows(/I am the demo agent/)
  await stage.home.quiet()
  await first.kill()
  stage.person.writes('are you there?')
  stage.home.start()
  await stage.shows(/You said: are you there\?\n\n\(Message 2 of this session\.\)/)
})

test('a turn that kill -9 cut off is asked about; Run again runs it, once', async () => {
  await using stage = await begin()
  const first = stage.home.start()
  await first.ready()
  stage.person.writes('wait: 3600000 | say: never')
  await eventually(() => stage.home.journal().length === 1)
  await first.kill()
  stage.home.start()
  await stage.shows(/I was restarted in the middle of a turn/)
  assert.equal(stage.home.journal().length, 1)
  const question = stage.telegram.posts(owner).findLast(({ text }) => text?.startsWith('I was restarted'))
  stage.person.presses(question?.message_id ?? 0, 'Run again')
  await eventually(() => stage.home.journal().length === 2)
  await stage.shows(/→ Run again/)
})

test('/stop stops, and the answer says only what is true', async () => {
  await using stage = await begin()
  await stage.home.start().ready()
  stage.person.writes('slow: 1000')
  await stage.shows(/1 2/)
  stage.person.writes('/stop')
  await stage.shows('Stopped.')
  stage.person.writes('say: still here')
  await stage.shows('still here')
})

test('the life of a message is told while it runs and afterwards', async () => {
  await using stage = await begin()
  const running = stage.home.start()
  await running.ready()
  const id = stage.person.writes('say: hello')
  await stage.shows('hello')
  await stage.home.quiet()
  const live = await stage.home.run('trace', String(id))
  for (const step of [
    'received',
    'authorised',
    'queued',
    'turn started: demo',
    'first output',
    'turn ended',
    'delivered: as',
  ]) {
    assert.match(live.stdout, new RegExp(step), live.stdout)
  }
  await running.stop()
  assert.equal((await stage.home.run('trace', String(id))).stdout, live.stdout)
  assert.equal((await stage.home.run('status')).code, 3)
})

test('a token that Telegram refuses is said in plain words, without the token', async () => {
  await using stage = await begin()
  stage.telegram.revoke()
  const running = stage.home.start()
  assert.match(await running.ready(), /^ready telegram failed \(.*token/i)
  assert.doesNotMatch(running.stdout + running.stderr, new RegExp(stage.telegram.token))
  const { transports } = await stage.home.status()
  assert.equal(transports[0]?.state, 'failed')
})

test('Telegram may be down at the start and later; it connects when it comes', async () => {
  await using stage = await begin()
  await stage.telegram.down()
  const running = stage.home.start()
  assert.match(await running.ready(), /^ready telegram failed/)
  await stage.telegram.up()
  await eventually(() => /^connected telegram @ductor_bot/m.test(running.stdout))
  stage.person.writes('say: one')
  await stage.shows('one')
  await stage.telegram.down()
  stage.person.writes('say: two')
  await stage.telegram.up()
  await stage.shows('two')
})

test('whoever is added to the list while it runs may talk, and whoever is taken off it may not', async () => {
  await using stage = await begin()
  const running = stage.home.start()
  await running.ready()
  const guest = stage.telegram.person(5000)
  const shown = () => stage.telegram.posts(5000).map(({ text }) => text ?? '')
  const log = () => readFileSync(join(stage.home.folder, 'logs', 'ductor.log'), 'utf8')
  const changes = () => log().split('config.json has changed').length - 1
  const allow = async (...ids: number[]) => {
    const before = changes()
    stage.home.configure({
      telegram_token: stage.telegram.token,
      allowed_user_ids: ids,
      telegram_api_root: stage.telegram.apiRoot,
      provider: 'demo',
    })
    await eventually(() => changes() > before, 'the change')
  }
  await allow(owner, 5000)
  guest.writes('say: hello guest')
  await eventually(() => shown().includes('hello guest'))
  await allow(owner)
  guest.writes('say: again')
  await eventually(() => log().includes('sender 5000 is not in the list'))
  assert.ok(!shown().includes('again'))
})

test('a config.json that cannot be used is told to the owner, and what was good before goes on to hold', async () => {
  await using stage = await begin()
  await stage.home.start().ready()
  stage.person.writes('say: hello')
  await stage.shows('hello')
  stage.home.configure('{ "telegram_token": ')
  await stage.shows(/config\.json cannot be used, so the settings of before hold:\n.*line 1/)
  stage.person.writes('say: still here')
  await stage.shows('still here')
})

test('a person who sees a rich message gets answers as such, also after a restart, and can take it back', async () => {
  await using stage = await begin()
  const { telegram, person } = stage
  const rich = () => telegram.posts(owner).filter(({ rich_message: message }) => message !== undefined)
  const offering = (label: string) =>
    eventually(
      () =>
        telegram
          .posts(owner)
          .findLast(({ reply_markup: markup }) => JSON.stringify(markup ?? '').includes(label))?.message_id,
      label,
    )
  const running = stage.home.start()
  await running.ready()
  person.writes('say: # Before')
  await stage.shows('Before')
  person.writes('/rich on')
  person.presses(await offering('Yes, I see it'), 'Yes, I see it')
  await stage.shows(/come as rich messages in this chat from now on/)
  assert.equal(rich().length, 1)
  person.writes('say: # A heading')
  await eventually(() => rich().length === 2, 'a rich answer')
  await stage.home.quiet()
  await running.kill()
  await stage.home.start().ready()
  person.writes('say: # Another heading')
  await eventually(() => rich().length === 3, 'a rich answer after the restart')
  person.writes('/rich off')
  await stage.shows(/Answers come as text/)
  person.writes('say: # After')
  await stage.shows('After')
  person.writes('/help')
  await stage.shows(/\/rich \[on\|off\] – tables/)
  assert.deepEqual(telegram.lints, [])
})
