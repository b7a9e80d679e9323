import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { OAuthFront } from '../src/transports/matrix/oauth.fake.ts'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { claudeBinary, claudeEnv, whyNoClaude } from './support/install-claude.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startSynapse, whyNoSynapse, type Synapse } from './support/synapse.ts'
import { keys, Terminal } from './support/terminal.ts'

const owner = 4711

/** A home, and a person before a terminal in which `ductor` was typed. */
function sitDown(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const home = new Home(undefined)
  const env = { PATH: '', HOME: home.folder, DUCTOR_HOME: home.folder, TERM: 'xterm-256color', ...more }
  const terminal = new Terminal(args, env)
  return {
    home,
    terminal,
    written: () => JSON.parse(readFileSync(join(home.folder, 'config', 'config.json'), 'utf8')),
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

async function agrees(terminal: Terminal): Promise<void> {
  await terminal.answers('No agent is ready to answer. What now?', keys.enter)
  await terminal.answers('May agents act on this machine?', keys.left, keys.enter)
}

async function staysThere(terminal: Terminal): Promise<void> {
  await terminal.answers('Your time zone', keys.enter)
  await terminal.answers('Run ductor as a service', keys.enter)
  await terminal.answers('Start ductor now', 'n')
  assert.equal(await terminal.ended, 0)
}

test('Telegram: the token is tried, the own id is found by a code, and the file is that of the guide', async () => {
  const telegram = await FakeTelegram.start()
  await using stage = sitDown([], { DUCTOR_TELEGRAM_API_ROOT: telegram.apiRoot })
  const { terminal } = stage
  try {
    await agrees(terminal)
    await terminal.answers('Where will you write', keys.enter)
    await terminal.answers('The token of your bot', telegram.token, keys.enter)
    await terminal.sees(/start=\d{6}/)
    const code = /start=(\d{6})/.exec(terminal.text)?.[1]
    telegram.person(owner).writes(`/start ${code}`)
    await terminal.answers('work in groups', keys.enter)
    await staysThere(terminal)
    assert.deepEqual(stage.written(), {
      telegram_token: telegram.token,
      allowed_user_ids: [owner],
      telegram_api_root: telegram.apiRoot,
    })
    const file = join(stage.home.folder, 'config', 'config.json')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.ok(!terminal.text.includes(telegram.token))
  } finally {
    await telegram.stop()
  }
})

test('only this machine: nothing is asked of it, and the page is there at once', async () => {
  await using stage = sitDown(['onboarding'])
  const { terminal } = stage
  await agrees(terminal)
  await terminal.answers('Where will you write', keys.down, keys.down, keys.down, keys.enter)
  await terminal.answers('Your time zone', 'tokyo', keys.enter)
  await terminal.answers('Run ductor as a service', keys.enter)
  await terminal.answers('Start ductor now', 'n')
  assert.equal(await terminal.ended, 0)
  assert.deepEqual(stage.written(), { transport: 'web', user_timezone: 'Asia/Tokyo' })
})

test(
  'an agent that is there and signed in is found also where there is no home yet',
  { skip: (await whyNoClaude()) ?? false },
  async () => {
    const tools = mkdtempSync(join(tmpdir(), 'ductor-tools-'))
    symlinkSync(claudeBinary, join(tools, 'claude'))
    await using home = new Home(undefined)
    const DUCTOR_HOME = join(home.folder, 'not', 'there')
    const env = { ...claudeEnv(home.folder, 'http://127.0.0.1:9'), PATH: tools, DUCTOR_HOME }
    await using terminal = new Terminal([], env)
    try {
      await terminal.sees(/✓ claude \S+, signed in/)
      await terminal.answers('May agents act on this machine?', keys.left, keys.enter)
      await terminal.answers('Where will you write', keys.ctrlC)
      assert.equal(await terminal.ended, 1)
      assert.ok(!existsSync(DUCTOR_HOME))
    } finally {
      rmSync(tools, { recursive: true })
    }
  },
)

test('without consent nothing is written', async () => {
  await using stage = sitDown([])
  const { terminal } = stage
  await terminal.answers('No agent is ready to answer. What now?', keys.enter)
  await terminal.answers('May agents act on this machine?', keys.enter)
  assert.equal(await terminal.ended, 1)
  assert.match(terminal.text, /nothing was written/)
  assert.deepEqual(readdirSync(stage.home.folder), [])
})

test('Ctrl-C at any question of Telegram leaves, and writes nothing', async () => {
  const telegram = await FakeTelegram.start()
  const script: readonly (readonly [question: string, ...typed: string[]])[] = [
    ['What now?', keys.enter],
    ['May agents act', keys.left, keys.enter],
    ['Where will you write', keys.enter],
    ['The token of your bot', telegram.token, keys.enter],
    ['Your own id', '4711', keys.enter],
    ['work in groups', keys.left, keys.enter],
    ['The id of the group', '-1001234567890', keys.enter],
    ['Your time zone', keys.enter],
  ]
  try {
    for (const [at, [question]] of script.entries()) {
      await using stage = sitDown([], { DUCTOR_TELEGRAM_API_ROOT: telegram.apiRoot })
      for (const [earlier, ...typed] of script.slice(0, at)) await stage.terminal.answers(earlier, ...typed)
      await stage.terminal.answers(question, keys.ctrlC)
      assert.equal(await stage.terminal.ended, 1, question)
      assert.match(stage.terminal.text, /Nothing was written\./)
      assert.deepEqual(readdirSync(stage.home.folder), [], question)
    }
  } finally {
    await telegram.stop()
  }
})

test('a wrong answer is named and asked again, Escape goes back, and what was answered stays', async () => {
  const telegram = await FakeTelegram.start()
  telegram.world.readsGroups = false
  await using stage = sitDown([], { DUCTOR_TELEGRAM_API_ROOT: telegram.apiRoot })
  const { terminal } = stage
  try {
    await agrees(terminal)
    await terminal.answers('Where will you write', keys.enter)
    await terminal.answers('The token of your bot', 'nonsense', keys.enter)
    await terminal.sees('This is no bot token')
    await terminal.answers('The token of your bot', `123456789:${'A'.repeat(35)}`, keys.enter)
    await terminal.sees('knows no bot with this token')
    await terminal.answers('The token of your bot', telegram.token, keys.enter)
    await terminal.answers('Your own id', '@me', keys.enter)
    await terminal.sees('a name can change its owner')
    await terminal.answers('Your own id', keys.clear, '4712', keys.enter)
    await terminal.answers('work in groups', keys.escape)
    await terminal.sees('Who are you?')
    await terminal.answers('Your own id', keys.clear, '4711', keys.enter)
    await terminal.answers('work in groups', keys.left, keys.enter)
    await terminal.sees('/setprivacy')
    await terminal.answers('The id of the group', 'my group', keys.enter)
    await terminal.sees('must be a number')
    await terminal.answers('The id of the group', keys.clear, '-1001234567890', keys.enter)
    await terminal.answers('Your time zone', 'Berln', keys.enter)
    await terminal.sees('did you mean Europe/Berlin?')
    await terminal.answers('Your time zone', keys.clear, keys.enter)
    await terminal.answers('Run ductor as a service', keys.enter)
    await terminal.answers('Start ductor now', 'n')
    assert.equal(await terminal.ended, 0)
    assert.deepEqual(stage.written(), {
      telegram_token: telegram.token,
      allowed_user_ids: [4711],
      allowed_group_ids: [-1001234567890],
      telegram_api_root: telegram.apiRoot,
    })
  } finally {
    await telegram.stop()
  }
})

test('a group is found when its owner writes there, and what waits for the bot still waits', async () => {
  const telegram = await FakeTelegram.start()
  await using stage = sitDown([], { DUCTOR_TELEGRAM_API_ROOT: telegram.apiRoot })
  const { terminal } = stage
  try {
    const group = telegram.group(-1001234567890)
    telegram.person(owner).writes('before anything was set up')
    await agrees(terminal)
    await terminal.answers('Where will you write', keys.enter)
    await terminal.answers('The token of your bot', telegram.token, keys.enter)
    await terminal.answers('Your own id', String(owner), keys.enter)
    await terminal.answers('work in groups', keys.left, keys.enter)
    await terminal.sees('The id of the group')
    telegram.person(666).writes('come to me', { in: group })
    telegram.person(owner).writes('hello', { in: group })
    await staysThere(terminal)
    assert.deepEqual(stage.written().allowed_group_ids, [group.id])
    assert.equal(
      telegram.calls('getUpdates').some(({ parameters }) => parameters['offset'] !== undefined),
      false,
    )
  } finally {
    await telegram.stop()
  }
})

test('what is set up already stays as it is, with every other setting, and the file of before is kept', async () => {
  await using home = new Home(
    {
      telegram_token: '123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1',
      allowed_user_ids: [owner],
      history_days: 7,
    },
    { PATH: '' },
  )
  const path = join(home.folder, 'config', 'config.json')
  const old = JSON.parse(readFileSync(path, 'utf8'))
  const args = ['onboarding', '--non-interactive', '--accept-risk', '--timezone=Asia/Tokyo']
  const { code, stderr } = await home.run(...args)
  assert.equal(code, 0, stderr)
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { ...old, user_timezone: 'Asia/Tokyo' })
  assert.deepEqual(JSON.parse(readFileSync(`${path}.before`, 'utf8')), old)
  assert.equal(statSync(`${path}.before`).mode & 0o777, 0o600)
})

const skip = await whyNoSynapse()

describe('with a real homeserver', { skip: skip ?? false }, () => {
  let synapse: Synapse
  let you: MatrixPerson
  let count = 0

  before(async () => {
    synapse = await startSynapse()
    you = await MatrixPerson.arrive(synapse, 'you')
  })
  after(() => synapse?.stop())

  async function bot(password = 'the-password'): Promise<string> {
    count += 1
    const name = `bot${count}`
    await synapse.register(name, password)
    return `@${name}:${synapse.serverName}`
  }

  const matrixScript = (id: string): readonly (readonly [question: string, ...typed: string[]])[] => [
    ['What now?', keys.enter],
    ['May agents act', keys.left, keys.enter],
    ['Where will you write', keys.down, keys.enter],
    ['homeserver of the bot', synapse.url.replace('http://', ''), keys.enter],
    ['The account of the bot', id, keys.enter],
    ['How shall it log in?', keys.enter],
    ['The password of', 'the-password', keys.enter],
    ['keep the password', keys.enter],
    ['Who may talk to the bot?', you.id, keys.enter],
    ['Only in certain rooms?', keys.enter],
    ['Your time zone', keys.enter],
  ]

  test('Matrix: a real log-in before anything is written, and Option C without a password', async () => {
    const id = await bot()
    await using stage = sitDown([])
    const { terminal } = stage
    for (const [question, ...typed] of matrixScript(id)) await terminal.answers(question, ...typed)
    await terminal.answers('Run ductor as a service', keys.enter)
    await terminal.answers('Start ductor now', 'n')
    assert.equal(await terminal.ended, 0)
    assert.deepEqual(stage.written(), {
      transport: 'matrix',
      matrix: { homeserver: synapse.url, user_id: id, allowed_rooms: [], allowed_users: [you.id] },
    })
    const kept = join(stage.home.folder, 'matrix_store', 'credentials.json')
    assert.equal(statSync(kept).mode & 0o777, 0o600)
    assert.deepEqual(await synapse.devices(id), [JSON.parse(readFileSync(kept, 'utf8')).device_id])
    assert.ok(!terminal.text.includes('the-password'))
    // The log-in of the wizard is the one that the first start uses.
    stage.home.configure({ ...stage.written(), provider: 'demo' })
    const running = stage.home.start()
    assert.match(await running.ready(), new RegExp(`^ready matrix ${id} `))
    assert.equal((await synapse.devices(id)).length, 1)
    await running.stop()
  })

  test('both: wrong answers are named, and the file is Option B with the password that was to be kept', async () => {
    const id = await bot()
    const telegram = await FakeTelegram.start()
    await using stage = sitDown([], { DUCTOR_TELEGRAM_API_ROOT: telegram.apiRoot })
    const { terminal } = stage
    try {
      await agrees(terminal)
      await terminal.answers('Where will you write', keys.down, keys.down, keys.enter)
      await terminal.answers('The token of your bot', telegram.token, keys.enter)
      await terminal.answers('Your own id', '123456789', keys.enter)
      await terminal.answers('work in groups', keys.enter)
      await terminal.answers('homeserver of the bot', 'http://example.org', keys.enter)
      await terminal.sees('must begin with https://')
      await terminal.answers('homeserver of the bot', keys.clear, 'nowhere.invalid', keys.enter)
      await terminal.sees('No answer from https://nowhere.invalid')
      await terminal.answers('homeserver of the bot', keys.clear, telegram.apiRoot, keys.enter)
      await terminal.sees(/answers, but not as a Matrix homeserver|answers with HTTP status/)
      await terminal.answers('homeserver of the bot', keys.clear, synapse.url, keys.enter)
      await terminal.answers('The account of the bot', 'bot', keys.enter)
      await terminal.sees('must be a full user id')
      await terminal.answers('The account of the bot', keys.clear, id, keys.enter)
      await terminal.answers('How shall it log in?', keys.enter)
      await terminal.answers('The password of', 'wrong', keys.enter)
      await terminal.sees('refuses the password')
      await terminal.answers('The password of', 'the-password', keys.enter)
      await terminal.answers('keep the password', keys.left, keys.enter)
      await terminal.answers('Who may talk to the bot?', 'you', keys.enter)
      await terminal.sees('“you” must be a full user id')
      await terminal.answers('Who may talk to the bot?', keys.clear, id, keys.enter)
      await terminal.sees('is the bot itself')
      await terminal.answers('Who may talk to the bot?', keys.clear, you.id, keys.enter)
      await terminal.answers('Only in certain rooms?', keys.enter)
      await staysThere(terminal)
      assert.deepEqual(stage.written(), {
        transports: ['telegram', 'matrix'],
        telegram_token: telegram.token,
        allowed_user_ids: [123456789],
        matrix: {
          homeserver: synapse.url,
          user_id: id,
          password: 'the-password',
          allowed_rooms: [],
          allowed_users: [you.id],
          store_path: 'matrix_store',
        },
        telegram_api_root: telegram.apiRoot,
      })
    } finally {
      await telegram.stop()
    }
  })

  test('Ctrl-C at any question of Matrix writes nothing, and leaves no device behind', async () => {
    const id = await bot()
    const script = matrixScript(id)
    for (const [at, [question]] of script.entries()) {
      if (at < 3) continue
      await using stage = sitDown([])
      for (const [earlier, ...typed] of script.slice(0, at)) await stage.terminal.answers(earlier, ...typed)
      await stage.terminal.answers(question, keys.ctrlC)
      assert.equal(await stage.terminal.ended, 1, question)
      assert.deepEqual(readdirSync(stage.home.folder), [], question)
      assert.deepEqual(await synapse.devices(id), [], question)
    }
  })

  test('rooms that the bot shall keep to are looked at: which it can enter, which not, and what to do', async () => {
    const id = await bot()
    const alias = (name: string) => `#${name}:${synapse.serverName}`
    const own = await you.createRoom({ room_alias_name: 'team' })
    await you.invite(own, id)
    const open = await you.createRoom({ preset: 'public_chat' })
    const closed = await you.createRoom()
    await using stage = sitDown([])
    const { terminal } = stage
    for (const [question, ...typed] of matrixScript(id).slice(0, -2))
      await terminal.answers(question, ...typed)
    const say = (words: string) => terminal.answers('Only in certain rooms?', keys.clear, words, keys.enter)
    await say('team')
    await terminal.sees('is no room: an id looks like')
    await say(`${alias('team')}, ${alias('nowhere')}`)
    await terminal.sees(`There is no room ${alias('nowhere')}`)
    await say(`${alias('team')} ${open} ${closed}`)
    await terminal.sees(`✓ ${alias('team')}: the bot is invited`)
    await terminal.sees(`– ${open}: everybody may enter. Invite ${id} there`)
    await terminal.sees(`– ${closed}: the bot cannot enter yet. Invite ${id} there`)
    await staysThere(terminal)
    assert.deepEqual(stage.written().matrix.allowed_rooms, [alias('team'), open, closed])
    assert.ok(terminal.text.includes(`Write in ${alias('team')}.`))
  })

  test('a homeserver that wants a browser: the address and code are shown, and what was allowed is kept', async () => {
    const id = await bot('correct horse')
    const front = await OAuthFront.before(synapse)
    await using stage = sitDown([])
    const { terminal } = stage
    try {
      await agrees(terminal)
      await terminal.answers('Where will you write', keys.down, keys.enter)
      await terminal.answers('homeserver of the bot', front.url, keys.enter)
      await terminal.answers('The account of the bot', id, keys.enter)
      await terminal.answers('How shall it log in?', keys.enter)
      await terminal.answers('Is a browser at hand', keys.enter)
      await terminal.sees(/allow ductor \(code \w+\)/)
      front.allow(/allow ductor \(code (\w+)\)/.exec(terminal.text)?.[1] ?? '', id)
      await terminal.answers('Who may talk to the bot?', you.id, keys.enter)
      await terminal.answers('Only in certain rooms?', keys.enter)
      await staysThere(terminal)
      assert.deepEqual(stage.written().matrix, {
        homeserver: front.url,
        user_id: id,
        allowed_rooms: [],
        allowed_users: [you.id],
      })
      const kept = JSON.parse(
        readFileSync(join(stage.home.folder, 'matrix_store', 'credentials.json'), 'utf8'),
      )
      assert.deepEqual(await synapse.devices(id), [kept.device_id])
      assert.equal(typeof kept.oauth.refresh_token, 'string')
    } finally {
      await front.stop()
    }
  })

  test('a script sets it up with options alone', async () => {
    const id = await bot()
    await using home = new Home(undefined, { PATH: '', DUCTOR_MATRIX_PASSWORD: 'the-password' })
    const args = [
      'onboarding',
      '--non-interactive',
      '--accept-risk',
      '--transports=matrix',
      `--matrix-homeserver=${synapse.url}`,
      `--matrix-user-id=${id}`,
    ]
    const missing = await home.run(...args)
    assert.equal(missing.code, 2)
    assert.match(missing.stderr, /--matrix-allowed-users is needed/)
    assert.deepEqual(await synapse.devices(id), [])
    const { code, stdout } = await home.run(...args, `--matrix-allowed-users=${you.id}`)
    assert.equal(code, 0)
    assert.match(stdout, /Wrote .*config\.json\.\n[^]*Start it with “ductor”/)
    assert.ok(existsSync(join(home.folder, 'matrix_store', 'credentials.json')))
  })
})
