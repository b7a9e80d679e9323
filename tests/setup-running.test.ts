import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { keys, Terminal } from './support/terminal.ts'

const web = { transport: 'web', provider: 'demo' }

/** The folder of the home, with another one as the person's own. */
function settled(config: object | 'none' = web, env: Readonly<Record<string, string>> = {}) {
  const person = mkdtempSync(join(tmpdir(), 'ductor-person-'))
  const home = new Home(config === 'none' ? undefined : config, { HOME: person, ...env })
  return {
    home,
    person,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]()
      rmSync(person, { recursive: true, force: true })
    },
  }
}

test('restart begins the same process anew, in its terminal and on its page', async () => {
  await using stage = settled()
  const running = stage.home.start()
  const first = await running.ready()
  const restarted = await stage.home.run('restart')
  assert.equal(restarted.code, 0, restarted.stderr)
  assert.match(restarted.stdout, new RegExp(`^ductor \\S+ has restarted \\(pid ${running.child.pid}\\)\\.`))
  await eventually(() => running.stdout.match(/^ready/gm)?.length === 2)
  const second = /^ready.*$/gm[Symbol.match](running.stdout)?.[1] ?? ''
  assert.equal(second.replace(/ in \d+ ms/, ''), first.replace(/ in \d+ ms/, ''))
  assert.equal(await running.stop(), 0)
})

test('in a terminal that a service of the desktop has opened, a restart begins the same process anew', async () => {
  await using stage = settled(web, { INVOCATION_ID: 'of-the-terminal', SYSTEMD_EXEC_PID: '1' })
  const running = stage.home.start()
  await running.ready()
  const restarted = await stage.home.run('restart')
  assert.equal(restarted.code, 0, restarted.stderr)
  assert.match(restarted.stdout, new RegExp(`^ductor \\S+ has restarted \\(pid ${running.child.pid}\\)\\.`))
  assert.equal(await running.stop(), 0)
})

test('under a supervisor a restart is the exit code 42, and what it keeps as a log has no token of the page', async () => {
  await using stage = settled(web, { DUCTOR_SUPERVISOR: '1' })
  const running = stage.home.start()
  assert.match(await running.ready(), /^ready web http:\/\/127\.0\.0\.1:\d+\/#token=\[hidden\] in/)
  assert.match((await stage.home.run('status')).stdout, /#token=[\w-]{40}/)
  const asking = stage.home.run('restart')
  assert.equal(await running.ended, 42)
  const again = stage.home.start()
  await again.ready()
  assert.equal((await asking).code, 0)
  assert.equal(await again.stop(), 0)
})

test('what cannot start says why at once, and waits before its supervisor may start it again', async () => {
  await using stage = settled({ ...web, transport: 'wep' }, { DUCTOR_SUPERVISOR: '1' })
  const running = stage.home.start()
  await eventually(() => /wep/.test(running.stderr), 'why it cannot start')
  const other = await stage.home.run('status', '--json')
  assert.equal(other.code, 3, 'the other verbs do not wait')
  assert.equal(running.child.exitCode, null)
  running.child.kill('SIGTERM')
  await running.ended
  assert.equal(running.child.signalCode, 'SIGTERM')
})

test('what would not start again goes on as it runs, whether a terminal or the chat asks for a restart', async (t) => {
  const telegram = await FakeTelegram.start()
  t.after(() => telegram.stop())
  const good = {
    telegram_token: telegram.token,
    telegram_api_root: telegram.apiRoot,
    allowed_user_ids: [4711],
    provider: 'demo',
  }
  await using stage = settled(good)
  const running = stage.home.start()
  await running.ready()
  stage.home.configure({ ...good, provider: 'dmo' })
  const refused = await stage.home.run('restart')
  assert.equal(refused.code, 1)
  assert.match(
    refused.stderr,
    /^Not restarted, for it would not start again\. \S+ cannot be used:\n.*“dmo”.*“demo”/,
  )
  const person = telegram.person(4711).starts()
  person.writes('/restart')
  const shows = (words: RegExp) =>
    eventually(() => telegram.messages(4711).some(({ text }) => words.test(text ?? '')), String(words))
  await shows(/^Not restarted/)
  person.writes('say: I go on')
  await shows(/^I go on$/)
  assert.equal(running.stdout.match(/^ready/gm)?.length, 1)
  stage.home.configure(good)
  person.writes('/restart')
  await shows(/^I am back/)
  assert.equal(await running.stop(), 0)
})

test('a trial is restarted whatever config.json says', async () => {
  await using stage = settled('none')
  const running = stage.home.start('try', '--provider', 'demo')
  await running.ready()
  stage.home.configure({ telegram_token: 'none' })
  const restarted = await stage.home.run('restart')
  assert.equal(restarted.code, 0, restarted.stderr)
  assert.equal(await running.stop(), 0)
})

test('where nothing runs, restart says how to start', async () => {
  await using stage = settled()
  const { code, stdout } = await stage.home.run('restart')
  assert.equal(code, 3)
  assert.match(stdout, /Start it with “ductor”/)
})

test('logs shows the last lines readably, each thing that happened in one, and follows', async () => {
  await using stage = settled()
  const none = await stage.home.run('logs')
  assert.equal(none.code, 1)
  assert.match(none.stderr, /no log yet/)
  const running = stage.home.start()
  await running.ready()
  const { stdout } = await stage.home.run('logs', '-n', '200')
  assert.match(stdout, /INFO: ready/)
  assert.match((await stage.home.run('logs', '-n', '1')).stdout, /^\[.*\] INFO: .*\n$/)
  const env = { HOME: stage.person, DUCTOR_HOME: stage.home.folder, PATH: '' }
  await using terminal = new Terminal(['logs', '-f'], env)
  await terminal.sees('ready')
  await running.stop()
  await terminal.sees('stopped')
})

test('reset says first what it will delete, asks, and leaves the files of the agent', async () => {
  await using stage = settled()
  const { folder } = stage.home
  const running = stage.home.start()
  await running.ready()
  assert.match((await stage.home.run('reset', '--yes')).stderr, /ductor is running\. Stop it first/)
  await running.stop()
  writeFileSync(join(folder, 'workspace', 'mine.txt'), 'dear to me')

  const asked = await stage.home.run('reset')
  assert.equal(asked.code, 1)
  assert.match(asked.stdout, /This will be deleted in .*:\n[^]*ductor\.db, [^]*This stays: workspace\./)
  assert.match(asked.stderr, /--yes/)

  const env = { HOME: stage.person, DUCTOR_HOME: folder, PATH: '' }
  await using terminal = new Terminal(['reset'], env)
  await terminal.answers('Delete it for ever?', keys.enter)
  assert.equal(await terminal.ended, 1)
  assert.ok(existsSync(join(folder, 'ductor.db')))

  assert.equal((await stage.home.run('reset', '--yes')).code, 0)
  assert.deepEqual(readdirSync(folder), ['workspace'])
  assert.equal(readFileSync(join(folder, 'workspace', 'mine.txt'), 'utf8'), 'dear to me')
})

test('reset does not touch a folder that is no home of ductor', async () => {
  await using stage = settled('none')
  writeFileSync(join(stage.home.folder, 'thesis.txt'), 'not yours')
  const { code, stderr } = await stage.home.run('reset', '--workspace', '--yes')
  assert.equal(code, 1)
  assert.match(stderr, /does not look like a home of ductor/)
  assert.ok(existsSync(join(stage.home.folder, 'thesis.txt')))
})

test(
  'a service is installed, asked about and uninstalled by the words of systemd',
  { skip: process.platform === 'linux' ? false : 'systemd is of Linux' },
  async () => {
    // Stands for systemctl and the others: writes down what it is asked, and starts and stops ductor. The real one is
    // met in setup-service.test.ts, where a machine allows that.
    const tools = mkdtempSync(join(tmpdir(), 'ductor-tools-'))
    const spoken = join(tools, 'spoken')
    const ductor = [process.execPath, join(import.meta.dirname, '..', 'bin', 'ductor.mjs')].join(' ')
    const stand = (name: string, lines: readonly string[]) => {
      const log = `echo "${name} $*" >> '${spoken}'`
      writeFileSync(join(tools, name), ['#!/bin/sh', log, ...lines, ''].join('\n'), { mode: 0o755 })
    }
    stand('loginctl', ['exit 1'])
    stand('journalctl', [])
    stand('systemctl', [
      'case "$2" in',
      `restart|start) ${ductor} > /dev/null 2>&1 & ;;`,
      `stop|disable) ${ductor} stop ;;`,
      'esac',
      'exit 0',
    ])
    await using stage = settled(web, { PATH: [tools, '/usr/bin', '/bin'].join(delimiter) })
    const run = (...args: string[]) => stage.home.run(...args)
    try {
      assert.match((await run('service', 'start')).stderr, /not installed/)
      const installed = await run('service', 'install')
      assert.equal(installed.code, 0, installed.stderr)
      assert.match(installed.stdout, /is a service of systemd now \(pid \d+\)\. It starts when you log in/)
      assert.match(installed.stdout, /sudo loginctl enable-linger \S+\n$/)
      const units = join(stage.person, '.config', 'systemd', 'user')
      const [unit = ''] = readdirSync(units)
      assert.match(unit, /^ductor-ductor-home-\S+-[0-9a-f]{6}\.service$/)
      assert.match(readFileSync(join(units, unit), 'utf8'), new RegExp(`DUCTOR_HOME=${stage.home.folder}`))
      for (const what of ['status', 'logs', 'stop', 'start', 'uninstall'])
        assert.equal((await run('service', what)).code, 0, what)
      assert.deepEqual(readdirSync(units), [])
      assert.deepEqual(readFileSync(spoken, 'utf8').trimEnd().split('\n'), [
        'systemctl --user show-environment',
        'systemctl --user daemon-reload',
        `systemctl --user enable ${unit}`,
        `systemctl --user reset-failed ${unit}`,
        `systemctl --user restart ${unit}`,
        'loginctl enable-linger',
        `systemctl --user --no-pager status ${unit}`,
        `journalctl --user -q -u ${unit} -n 100 --no-pager`,
        `systemctl --user stop ${unit}`,
        `systemctl --user reset-failed ${unit}`,
        `systemctl --user restart ${unit}`,
        `systemctl --user disable --now ${unit}`,
        `systemctl --user reset-failed ${unit}`,
        'systemctl --user daemon-reload',
      ])
      assert.ok(existsSync(join(stage.home.folder, 'config', 'config.json')))
    } finally {
      await run('stop')
      rmSync(tools, { recursive: true, force: true })
    }
  },
)

test('a service that cannot be installed says what the system said, and leaves nothing that looks like one', async () => {
  await using stage = settled(web, { PATH: '' })
  mkdirSync(join(stage.person, 'x'))
  const { code, stdout, stderr } = await stage.home.run('service', 'install')
  assert.equal(code, 1)
  assert.match(stderr, /did not succeed/)
  assert.equal(stdout, '')
  assert.match((await stage.home.run('status')).stdout, /Start it with “ductor”/)
})

test('uninstall without npm install -g removes nothing of the program, and the home only when it is told', async () => {
  await using stage = settled()
  const first = await stage.home.run('uninstall', '--yes')
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /The program stays/)
  assert.ok(existsSync(join(stage.home.folder, 'config', 'config.json')))
  assert.equal((await stage.home.run('uninstall', '--home', '--yes')).code, 0)
  assert.ok(!existsSync(stage.home.folder))
})

test('a config.json that breaks while ductor runs is told by status, and one that mends is acted on', async () => {
  await using stage = settled({ ...web, shutdown_grace_seconds: 3600 })
  const running = stage.home.start()
  await running.ready()
  const warnings = async () => (await stage.home.status()).warnings.join('\n')
  stage.home.configure('{ "transport": ')
  await eventually(async () => /settings of before hold: line 1, column \d+/.test(await warnings()))
  assert.equal((await stage.home.run('status')).code, 0)
  stage.home.configure({ ...web, shutdown_grace_seconds: 0, log_level: 'debug', user_timezone: 'UTC' })
  await eventually(async () => /has changed in user_timezone: restart ductor/.test(await warnings()))
  assert.doesNotMatch(await warnings(), /settings of before/)
  stage.home.configure({ ...web, shutdown_grace_seconds: 0, log_level: 'debug', history_days: 1 })
  await eventually(async () => !/has changed in/.test(await warnings()))
  const log = readFileSync(join(stage.home.folder, 'logs', 'ductor.log'), 'utf8')
  assert.match(log, /config\.json cannot be used; the settings of before hold/)
  assert.equal(await running.stop(), 0)
  assert.match(
    readFileSync(join(stage.home.folder, 'logs', 'ductor.log'), 'utf8'),
    /"graceSeconds":0,"msg":"stopping"/,
  )
})

test(
  'a home that belongs to somebody else is told as such by every verb, and doctor names what would mend it',
  { skip: process.platform === 'win32' && 'Windows has no such rights' },
  async () => {
    await using stage = settled()
    const { folder } = stage.home
    chmodSync(join(folder, 'config', 'config.json'), 0o644)
    chmodSync(folder, 0o555)
    // Root may use everything: then somebody else tries.
    const other = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [join(import.meta.dirname, '..', 'bin', 'ductor.mjs'), ...args], {
        encoding: 'utf8',
        env: { PATH: '', HOME: folder, DUCTOR_HOME: folder },
        ...other,
      })
    const started = run()
    assert.equal(started.status, 1)
    assert.match(
      started.stderr,
      /^You may not use \S+\/run \(EACCES.*sudo chown -R "\$\(id -u\)" \S+\. Or name/,
    )
    const looked = run('doctor')
    assert.equal(looked.status, 1, looked.stderr)
    assert.match(looked.stdout, /^problem {2}you may not use \S+\n +→ .*sudo chown -R/m)
    chmodSync(folder, 0o700)
  },
)

test('doctor --fix closes to others what only the owner should read', async () => {
  await using stage = settled()
  const { folder } = stage.home
  const config = join(folder, 'config', 'config.json')
  stage.home.configure({ ...web, providers: { claude: { env: { API_TOKEN: 'secret-value' } } } })
  mkdirSync(join(folder, 'matrix_store'))
  const credentials = join(folder, 'matrix_store', 'credentials.json')
  writeFileSync(credentials, '{}')
  writeFileSync(join(folder, '.env'), 'ANTHROPIC_API_KEY=x')
  for (const path of [config, credentials, join(folder, '.env')]) chmodSync(path, 0o644)
  chmodSync(folder, 0o755)
  const sick = await stage.home.run('doctor')
  for (const path of [
    `chmod 700 ${folder}`,
    `chmod 600 ${config}`,
    `chmod 600 ${credentials}`,
    `chmod 600 ${join(folder, '.env')}`,
  ])
    assert.ok(sick.stdout.includes(path), path)
  assert.match(sick.stdout, /ductor doctor --fix/)
  const fixed = await stage.home.run('doctor', '--fix')
  assert.equal(fixed.stdout.match(/^ok {7}mended: /gm)?.length, 4)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  for (const path of [config, credentials, join(folder, '.env')])
    assert.equal(statSync(path).mode & 0o777, 0o600, path)
  assert.doesNotMatch((await stage.home.run('doctor')).stdout, /chmod/)
})
