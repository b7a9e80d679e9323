import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startSynapse, whyNoSynapse } from './support/synapse.ts'

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

const skip = await whyNoSynapse()

test(
  'a main agent on Telegram and a sub-agent on Matrix run in one process, each with a home of its own',
  { skip: skip ?? false },
  async (t) => {
    const telegram = await FakeTelegram.start()
    const synapse = await startSynapse()
    t.after(() => Promise.all([telegram.stop(), synapse.stop()]))
    await synapse.register('coder', 'secret-of-coder')
    const coder = `@coder:${synapse.serverName}`
    const friend = await MatrixPerson.arrive(synapse, 'owner')
    await using home = new Home({
      telegram_token: telegram.token,
      telegram_api_root: telegram.apiRoot,
      allowed_user_ids: [owner],
      provider: 'demo',
    })
    const matrix = {
      homeserver: synapse.url,
      user_id: coder,
      password: 'secret-of-coder',
      allowed_users: [friend.id],
    }
    const entry = { name: 'coder', transport: 'matrix', matrix }
    writeFileSync(join(home.folder, 'agents.json'), JSON.stringify([entry]))
    await home.start().ready()
    const room = await friend.direct(coder)
    await eventually(async () => (await friend.membership(room, coder)) === 'join')
    await friend.say(room, 'say: from Matrix')
    const said = async (text: string) =>
      (await friend.timeline(room)).some(
        ({ sender, content }) => sender === coder && content['body'] === text,
      )
    await eventually(() => said('from Matrix'))
    assert.ok(existsSync(join(home.folder, 'agents', 'coder', 'matrix_store', 'credentials.json')))
    assert.ok(!existsSync(join(home.folder, 'matrix_store')))
    telegram.person(owner).writes('say: from Telegram')
    await eventually(() => telegram.posts(owner).some(({ text }) => text === 'from Telegram'))

    // Its password is of no use any more, and neither is its token: it alone is in trouble.
    const broken = { ...entry, matrix: { ...matrix, user_id: `@nobody:${synapse.serverName}` } }
    writeFileSync(join(home.folder, 'agents.json'), JSON.stringify([broken]))
    await eventually(async () => {
      const { agents } = await home.status()
      return agents.find(({ name }) => name === 'coder')?.state === 'failed'
    })
    telegram.person(owner).writes('say: the main one goes on')
    await eventually(() => telegram.posts(owner).some(({ text }) => text === 'the main one goes on'))
  },
)
