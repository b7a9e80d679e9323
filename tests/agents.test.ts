import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'

const owner = 4711

test('sub-agents run beside the main one; one with a refused token fails alone; the file is followed', async (t) => {
  const mine = await FakeTelegram.start()
  const coders = await FakeTelegram.start({
    token: '987654321:BBFakeFakeFakeFakeFakeFakeFakeFake',
    username: 'coder_bot',
  })
  t.after(() => Promise.all([mine.stop(), coders.stop()]))
  await using home = new Home({
    telegram_token: mine.token,
    telegram_api_root: mine.apiRoot,
    allowed_user_ids: [owner],
    provider: 'demo',
  })
  const entry = {
    telegram_api_root: coders.apiRoot,
    telegram_token: coders.token,
    allowed_user_ids: [owner],
  }
  const write = (...entries: object[]) =>
    writeFileSync(join(home.folder, 'agents.json'), JSON.stringify(entries))
  const texts = (telegram: FakeTelegram) => telegram.posts(owner).map(({ text }) => text ?? '')
  const running = home.start()
  await running.ready()
  mine.person(owner).writes('/agents')
  await eventually(() => texts(mine).some((text) => text.includes('no sub-agents')))

  const broken = {
    ...entry,
    name: 'broken',
    telegram_token: '999999999:CCFakeFakeFakeFakeFakeFakeFakeFake',
    telegram_api_root: mine.apiRoot,
  }
  write({ ...entry, name: 'coder' }, broken)
  coders.person(owner).writes('say: I am the coder')
  await eventually(() => texts(coders).includes('I am the coder'), 'the sub-agent, soon after it was added')
  await eventually(async () => {
    const { agents } = await home.status()
    return agents.find(({ name }) => name === 'broken')?.state === 'failed'
  })
  mine.person(owner).writes('say: and I go on')
  await eventually(() => texts(mine).includes('and I go on'))
  mine.person(owner).writes('/agents')
  await eventually(() => texts(mine).some((text) => /coder: running .*\nbroken: failed .*token/s.test(text)))

  write()
  await eventually(async () => (await home.status()).agents.length === 1)
  coders.person(owner).writes('say: nobody is there')
  mine.person(owner).writes('say: still here')
  await eventually(() => texts(mine).includes('still here'))
  assert.ok(!texts(coders).includes('nobody is there'))
  assert.equal(await running.stop(), 0)
})

test('a sub-agent is added from the command line, listed, and removed', async (t) => {
  const telegram = await FakeTelegram.start()
  t.after(() => telegram.stop())
  await using home = new Home({
    telegram_token: '111111111:MMFakeFakeFakeFakeFakeFakeFakeFake',
    allowed_user_ids: [1],
  })
  const answers = [
    '--non-interactive',
    '--transport=telegram',
    `--telegram-token=${telegram.token}`,
    '--telegram-user-id=4711',
    `--telegram-api-root=${telegram.apiRoot}`,
  ]
  const refused = await home.run('agents', 'add', 'main', ...answers)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /must not be "main"/)
  const added = await home.run('agents', 'add', 'coder', ...answers)
  assert.equal(added.code, 0, added.stderr)
  assert.deepEqual(JSON.parse(readFileSync(join(home.folder, 'agents.json'), 'utf8')), [
    {
      name: 'coder',
      transport: 'telegram',
      telegram_token: telegram.token,
      allowed_user_ids: [4711],
      telegram_api_root: telegram.apiRoot,
    },
  ])
  assert.match((await home.run('agents', 'list')).stdout, /^coder: telegram, not running$/m)
  assert.equal((await home.run('agents', 'remove', 'nobody')).code, 1)
  assert.equal((await home.run('agents', 'remove', 'coder')).code, 0)
  assert.equal(readFileSync(join(home.folder, 'agents.json'), 'utf8').trim(), '[]')
})
