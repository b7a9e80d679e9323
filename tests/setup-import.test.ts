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
      'agents.json': [{ name: 'coder' }],
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
    assert.match(asked.stdout, /✓ agents\.json, cron_jobs\.json, 2 files of the workspace\n/)
    assert.match(asked.stdout, /– permission_mode “bypassPermissions” is not taken/)
    assert.match(asked.stdout, /– not known here, or not yet: heartbeat, streaming\n/)
    assert.match(asked.stdout, /– the session of broken makes no sense\n/)
    assert.match(asked.stdout, /– the session of sl:C1 \(claude\): its chat is not known/)
    assert.match(asked.stdout, /– the sub-agents of agents\.json begin with empty homes/)
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

    const again = await home.run('import', old, '--yes')
    assert.match(again.stdout, /– config\.json: there is one already, and it stays as it is/)
    const nothing = await home.run('import', tmpdir())
    assert.equal(nothing.code, 1)
    assert.match(nothing.stderr, /does not look like a home of the Python program/)
  } finally {
    rmSync(old, { recursive: true })
  }
})

const skip = (await whyNoClaude()) ?? (await whyNoSynapse())

test(
  'an imported home answers in the same chats, as the same device, in the same sessions of Claude',
  { skip: skip ?? false },
  async () => {
    const person = mkdtempSync(join(tmpdir(), 'ductor-person-'))
    const old = join(person, '.ductor')
    const telegram = await FakeTelegram.start()
    const synapse = await startSynapse()
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
    try {
      const you = await MatrixPerson.arrive(synapse, 'you')
      await synapse.register('bot', 'the-password')
      const bot = await synapse.login('bot', 'the-password', 'OLDDEVICE')
      const room = await you.direct(bot.userId)
      await new MatrixPerson(synapse.url, bot).join(room)
      const int = createHash('sha256').update(room).digest().readBigUInt64BE().toString()

      mkdirSync(join(old, 'workspace'), { recursive: true })
      const talk = async (words: string) => {
        const args = ['-p', words, '--output-format', 'json']
        const { stdout } = await run(claudeBinary, args, { cwd: join(old, 'workspace'), env })
        const { session_id: id }: { session_id: string } = JSON.parse(stdout)
        return id
      }
      const inTelegram = await talk('say one')
      const inMatrix = await talk('say two')
      const session = (id: string) => ({
        provider: 'claude',
        provider_sessions: { claude: { session_id: id } },
      })
      lay(old, {
        'config/config.json': {
          ...everyKey,
          transport: 'telegram',
          transports: ['telegram', 'matrix'],
          telegram_token: telegram.token,
          telegram_api_root: telegram.apiRoot,
          allowed_user_ids: [owner],
          matrix: {
            homeserver: synapse.url,
            user_id: bot.userId,
            password: '',
            access_token: '',
            device_id: '',
            allowed_rooms: [],
            allowed_users: [you.id],
            store_path: 'matrix_store',
          },
        },
        'matrix_store/credentials.json': {
          user_id: bot.userId,
          device_id: bot.deviceId,
          access_token: bot.accessToken,
        },
        'matrix_store/room_id_map.json': `{ ${JSON.stringify(room)}: ${int} }`,
        'sessions.json': {
          [`tg:${owner}`]: session(inTelegram),
          [`mx:${int}`]: session(inMatrix),
        },
      })
      const before = snapshot(old)
      const imported = await home.run('import', '--yes')
      assert.equal(imported.code, 0, imported.stderr)
      assert.deepEqual(snapshot(old), before)

      const running = home.start()
      assert.match(await running.ready(), /^ready telegram @ductor_bot, matrix @bot:\S+ in/)
      telegram.person(owner).writes('history')
      await you.say(room, 'history')
      // Each counts the prompt of before and its own.
      await eventually(() => telegram.posts(owner).some(({ text }) => text === 'prompts: 2'))
      await eventually(async () =>
        (await you.messagesOf(room, bot.userId)).some(({ content }) => content['body'] === 'prompts: 2'),
      )
      assert.deepEqual(await synapse.devices(bot.userId), [bot.deviceId])
      assert.equal(await running.stop(), 0)
    } finally {
      await home.killRunning()
      await synapse.stop()
      await telegram.stop()
      rmSync(person, { recursive: true, force: true, maxRetries: 5 })
    }
  },
)
