import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { claudeBinary, claudeEnv, whyNoClaude } from './support/install-claude.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startModelServer } from './support/model-server.ts'
import { startSynapse, whyNoSynapse } from './support/synapse.ts'

const run = promisify(execFile)
const owner = 4711
const coderToken = '987654321:AACoderCoderCoderCoderCoderCoderCo1'

/** As the Python program leaves it after its first start: with every key, whoever set it. */
const everyKey = {
  log_level: 'INFO',
  provider: 'claude',
  model: 'opus',
  ductor_home: '~/.ductor',
  idle_timeout_minutes: 1440,
  daily_reset_hour: 4,
  daily_reset_enabled: false,
  user_timezone: 'Europe/Berlin',
  max_session_messages: null,
  permission_mode: 'bypassPermissions',
  reasoning_effort: 'medium',
  file_access: 'all',
  gemini_api_key: 'null',
  streaming: { enabled: true, min_chars: 200 },
  docker: { enabled: false },
  heartbeat: { enabled: true, interval_minutes: 30 },
  webhooks: { enabled: false, port: 8742 },
}

/** Writes files below `folder`; texts as they are, all else as JSON. */
function lay(folder: string, files: Readonly<Record<string, unknown>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(
      join(folder, name),
      typeof content === 'string' ? content : JSON.stringify(content, null, 2),
    )
  }
}

/** Every file below with its bytes, rights and time. */
function snapshot(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((name) => {
      const path = join(folder, name)
      const { mode, mtimeMs } = statSync(path)
      const digest = statSync(path).isFile()
        ? createHash('sha256').update(readFileSync(path)).digest('hex')
        : ''
      return `${name} ${mode} ${mtimeMs} ${digest}`
    })
}

test('what will be done is said first; nothing is done without leave, and nothing is changed in the old home', async () => {
  await using home = new Home(undefined)
  const old = mkdtempSync(join(tmpdir(), 'ductor-python-'))
  try {
    lay(old, {
      'config/config.json': {
        ...everyKey,
        transport: 'telegram',
        transports: ['telegram'],
        telegram_token: '123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1',
        allowed_user_ids: [owner],
      },
      'sessions.json': {
        '4711': { provider: 'claude', provider_sessions: { claude: { session_id: 'abc' } } },
        'sl:C1': { provider: 'claude', provider_sessions: { claude: { session_id: 'def' } } },
        broken: 7,
      },
      'agents.json': [
        { name: 'coder', telegram_token: coderToken, model: null, permission_mode: 'bypassPermissions' },
        { name: 'Writer' },
        { name: 'idle', telegram_token: 'PASTE HERE' },
      ],
      'agents/coder/workspace/memory_system/MAINMEMORY.md': 'likes coffee',
      'agents/coder/workspace/AGENTS.md': 'rules of the old program',
      'agents/coder/sessions.json': {
        '4711': { provider: 'codex', provider_sessions: { codex: { session_id: 'ghi' } } },
      },
      'agents/gone/sessions.json': {},
      'cron_jobs.json': '{"jobs": [',
      'workspace/memory_system/MAINMEMORY.md': 'likes tea',
      'workspace/CLAUDE.md': 'rules of the old program',
      'workspace/tools/cron_tools/cron_add.py': '…',
      'workspace/tools/user_tools/mine.py': 'mine',
    })
    const before = snapshot(old)
    const asked = await home.run('import', old)
    assert.equal(asked.code, 1)
    assert.match(asked.stdout, /✓ config\.json: user_timezone, telegram_token, allowed_user_ids\n/)
    assert.match(asked.stdout, /✓ the sessions of 1 chat \(claude\)\n/)
    assert.match(asked.stdout, /✓ cron_jobs\.json, 2 files of the workspace\n/)
    assert.match(asked.stdout, /✓ agents\.json: coder, Writer, idle\n/)
    assert.match(asked.stdout, /✓ coder: the sessions of 1 chat \(codex\)\n/)
    assert.match(asked.stdout, /✓ coder: 1 file of the workspace\n/)
    assert.match(asked.stdout, /– coder: permission_mode “bypassPermissions” is not taken/)
    assert.match(asked.stdout, /– to be mended: agents\.json, entry 2: name must be made of small letters/)
    assert.match(asked.stdout, /– idle has to be mended in agents\.json: telegram_token: /)
    assert.match(asked.stdout, /– agents\/gone stays where it is: agents\.json does not name it\n/)
    assert.match(asked.stdout, /– permission_mode “bypassPermissions” is not taken/)
    assert.match(asked.stdout, /– not known here, or not yet: heartbeat, streaming\n/)
    assert.match(asked.stdout, /– the session of broken makes no sense\n/)
    assert.match(asked.stdout, /– the session of sl:C1 \(claude\): its chat is not known/)
    assert.match(asked.stderr, /--yes/)
    assert.deepEqual(readdirSync(home.folder), [])

    const done = await home.run('import', old, '--yes')
    assert.equal(done.code, 0, done.stderr)
    assert.deepEqual(snapshot(old), before)
    assert.deepEqual(JSON.parse(readFileSync(join(home.folder, 'config', 'config.json'), 'utf8')), {
      user_timezone: 'Europe/Berlin',
      telegram_token: '123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1',
      allowed_user_ids: [owner],
    })
    assert.equal(
      readFileSync(join(home.folder, 'workspace', 'memory_system', 'MAINMEMORY.md'), 'utf8'),
      'likes tea',
    )
    assert.ok(existsSync(join(home.folder, 'workspace', 'tools', 'user_tools', 'mine.py')))
    assert.ok(!existsSync(join(home.folder, 'workspace', 'CLAUDE.md')))
    assert.ok(!existsSync(join(home.folder, 'workspace', 'tools', 'cron_tools')))
    assert.deepEqual(JSON.parse(readFileSync(join(home.folder, 'agents.json'), 'utf8')), [
      { name: 'coder', telegram_token: coderToken },
      { name: 'Writer' },
      { name: 'idle', telegram_token: 'PASTE HERE' },
    ])
    const coder = join(home.folder, 'agents', 'coder', 'workspace')
    assert.equal(readFileSync(join(coder, 'memory_system', 'MAINMEMORY.md'), 'utf8'), 'likes coffee')
    assert.ok(!existsSync(join(coder, 'AGENTS.md')))

    const again = await home.run('import', old, '--yes')
    assert.match(again.stdout, /– config\.json: there is one already, and it stays as it is/)
    assert.match(again.stdout, /– agents\.json: there is one already, and it stays as it is/)
    const nothing = await home.run('import', tmpdir())
    assert.equal(nothing.code, 1)
    assert.match(nothing.stderr, /does not look like a home of the Python program/)
  } finally {
    rmSync(old, { recursive: true })
  }
})

const skip = (await whyNoClaude()) ?? (await whyNoSynapse())

/** Who writes and who answers, before anything is imported. */
async function chats(person: string) {
  const telegram = {
    main: await FakeTelegram.start(),
    coder: await FakeTelegram.start({ token: coderToken }),
  }
  const synapse = await startSynapse()
  const you = await MatrixPerson.arrive(synapse, 'you')
  /** An account with the device that the old program had, in a room with you. */
  const bot = async (name: string) => {
    await synapse.register(name, 'the-password')
    const logIn = await synapse.login(name, 'the-password', `OLD${name.toUpperCase()}`)
    const room = await you.direct(logIn.userId)
    await new MatrixPerson(synapse.url, logIn).join(room)
    const int = createHash('sha256').update(room).digest().readBigUInt64BE().toString()
    return { ...logIn, room, int }
  }
  return {
    telegram,
    synapse,
    you,
    main: await bot('bot'),
    writer: await bot('writer'),
    async [Symbol.asyncDispose]() {
      await synapse.stop()
      await telegram.main.stop()
      await telegram.coder.stop()
      rmSync(person, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

test(
  'an imported home and those of its sub-agents answer in the same chats, as the same devices, in the same sessions of Claude',
  { skip: skip ?? false },
  async () => {
    const person = mkdtempSync(join(tmpdir(), 'ductor-person-'))
    const old = join(person, '.ductor')
    await using stage = await chats(person)
    const { telegram, synapse, you, main, writer } = stage
    await using model = await startModelServer()
    const env = claudeEnv(person, model.url)
    const tools = join(person, 'bin')
    mkdirSync(tools)
    symlinkSync(claudeBinary, join(tools, 'claude'))
    await using home = new Home(undefined, {
      ...env,
      HOME: person,
      PATH: [tools, env['PATH'] ?? ''].join(delimiter),
    })

    /** So many prompts in a session of the old program, run where that agent worked. */
    const session = async (prompts: number, ...agent: readonly string[]) => {
      const cwd = join(old, ...agent, 'workspace')
      mkdirSync(cwd, { recursive: true })
      let id: string | undefined
      for (let count = 0; count < prompts; count += 1) {
        const again = id === undefined ? [] : ['--resume', id]
        const args = ['-p', 'say one', '--output-format', 'json', ...again]
        const { stdout } = await run(claudeBinary, args, { cwd, env })
        const told: { session_id: string } = JSON.parse(stdout)
        id = told.session_id
      }
      return { provider: 'claude', provider_sessions: { claude: { session_id: id } } }
    }
    const store = (bot: typeof main) => ({
      'matrix_store/credentials.json': {
        user_id: bot.userId,
        device_id: bot.deviceId,
        access_token: bot.accessToken,
      },
      'matrix_store/room_id_map.json': `{ ${JSON.stringify(bot.room)}: ${bot.int} }`,
    })
    const account = (bot: typeof main) => ({
      homeserver: synapse.url,
      user_id: bot.userId,
      password: '',
      access_token: '',
      device_id: '',
      allowed_rooms: [],
      allowed_users: [you.id],
      store_path: 'matrix_store',
    })
    lay(old, {
      'config/config.json': {
        ...everyKey,
        transport: 'telegram',
        transports: ['telegram', 'matrix'],
        telegram_token: telegram.main.token,
        telegram_api_root: telegram.main.apiRoot,
        allowed_user_ids: [owner],
        matrix: account(main),
      },
      ...store(main),
      'sessions.json': { [`tg:${owner}`]: await session(1), [`mx:${main.int}`]: await session(1) },
      'agents.json': [
        {
          name: 'coder',
          transport: 'telegram',
          telegram_token: telegram.coder.token,
          telegram_api_root: telegram.coder.apiRoot,
          allowed_user_ids: [owner],
        },
        { name: 'writer', transport: 'matrix', matrix: account(writer) },
      ],
    })
    lay(join(old, 'agents', 'coder'), { 'sessions.json': { [owner]: await session(2, 'agents', 'coder') } })
    lay(join(old, 'agents', 'writer'), {
      ...store(writer),
      'sessions.json': { [`mx:${writer.int}`]: await session(3, 'agents', 'writer') },
    })
    const before = snapshot(old)
    const imported = await home.run('import', '--yes')
    assert.equal(imported.code, 0, imported.stderr)
    assert.deepEqual(snapshot(old), before)

    const running = home.start()
    assert.match(await running.ready(), /^ready telegram @ductor_bot, matrix @bot:\S+ in/)
    telegram.main.person(owner).writes('history')
    telegram.coder.person(owner).writes('history')
    await you.say(main.room, 'history')
    await you.say(writer.room, 'history')
    // Each counts the prompts of before and its own.
    const inTelegram = (chat: FakeTelegram, said: string) =>
      eventually(() => chat.posts(owner).some(({ text }) => text === said), said)
    const inMatrix = ({ room, userId }: typeof main, said: string) =>
      eventually(
        async () => (await you.messagesOf(room, userId)).some(({ content }) => content['body'] === said),
        said,
      )
    await inTelegram(telegram.main, 'prompts: 2')
    await inMatrix(main, 'prompts: 2')
    await inTelegram(telegram.coder, 'prompts: 3')
    await inMatrix(writer, 'prompts: 4')
    for (const { userId, deviceId } of [main, writer])
      assert.deepEqual(await synapse.devices(userId), [deviceId])
    assert.equal(await running.stop(), 0)
  },
)
