import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'

const owner = 4711

/** A home with one turn in it that goes on for an hour. */
async function busyHome(config: object = {}) {
  const telegram = await FakeTelegram.start()
  const home = new Home({
    telegram_token: telegram.token,
    allowed_user_ids: [owner],
    telegram_api_root: telegram.apiRoot,
    provider: 'demo',
    ...config,
  })
  const running = home.start()
  await running.ready()
  telegram.person(owner).writes('wait: 3600000')
  await eventually(() => home.journal().length === 1)
  return {
    home,
    running,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]()
      await telegram.stop()
    },
  }
}

test('without configuration and without a terminal, one line says how to begin and how to try', async () => {
  await using home = new Home(undefined)
  const { code, stdout, stderr } = await home.run()
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^ductor is not configured: “ductor onboarding” .*config\.json.*“ductor try”.*\n$/)
  assert.equal(existsSync(join(home.folder, 'ductor.db')), false)
})

test('a file that still has the placeholders says how to begin, and which they are', async () => {
  await using home = new Home({ telegram_token: 'YOUR_TELEGRAM_TOKEN', allowed_user_ids: [1] })
  const { code, stderr } = await home.run()
  assert.equal(code, 1)
  assert.match(stderr, /not configured[^]*telegram_token: /)
})

test('every problem of the file is printed at once, and nothing starts', async () => {
  await using home = new Home({ telegram_token: 'x', allowed_user_ids: 'me', permission_mode: 'yolo' })
  const { code, stdout, stderr } = await home.run()
  assert.equal(code, 1)
  assert.equal(stdout, '')
  for (const key of ['telegram_token', 'allowed_user_ids', 'permission_mode'])
    assert.match(stderr, new RegExp(`^  ${key}: `, 'm'))
  assert.equal(existsSync(join(home.folder, 'ductor.db')), false)
})

test('broken JSON names line and column, and the file stays as it is', async () => {
  await using home = new Home(undefined)
  const text = '{\n  "transport": "matrix",\n}\n'
  home.configure(text)
  const { code, stderr } = await home.run()
  assert.equal(code, 1)
  assert.match(stderr, /line 3, column 1: there is a comma before the closing bracket/)
  assert.equal(readFileSync(join(home.folder, 'config', 'config.json'), 'utf8'), text)
})

test('what the command line does not know ends with 2 and the nearest word', async () => {
  await using home = new Home(undefined)
  const cases: readonly (readonly [args: string[], said: RegExp])[] = [
    [['statsu'], /no “statsu”; did you mean “status”\?/],
    [['banana'], /no “banana”\n/],
    [['toString'], /no “toString”/],
    [['--jsno'], /no option --jsno; did you mean “--json”\?/],
    [['-x'], /no option -x/],
    [['status', '--port', '1'], /“status” has no --port/],
    [['status', 'more'], /“status” takes no “more”/],
    [['trace'], /“trace” needs the id/],
    [['try', '--port', 'http'], /“http” is no port/],
    [['try', '--port', '70000'], /“70000” is no port/],
    [['try', '--port'], /--port needs a value/],
    [['logs', '-n'], /--lines needs a value/],
    [['try', '--provider', 'hal'], /no provider “hal”/],
  ]
  for (const [args, said] of cases) {
    const { code, stdout, stderr } = await home.run(...args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, said)
    assert.equal(stdout, '')
  }
})

test('version and help go to standard output', async () => {
  await using home = new Home(undefined)
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  assert.deepEqual(await home.run('--version'), { code: 0, stdout: `${version}\n`, stderr: '' })
  const help = await home.run('help')
  assert.equal(help.code, 0)
  for (const verb of ['run', 'try', 'status', 'doctor', 'trace', 'stop'])
    assert.match(help.stdout, new RegExp(`ductor ${verb}`))
  assert.deepEqual(await home.run('--help'), help)
  assert.match((await home.run('help', 'status')).stdout, /^Is it running, and how does it fare\?$/m)
  const agents = (await home.run('help', 'agents')).stdout
  assert.match(agents, /--telegram-token/)
  assert.doesNotMatch(agents, /--install-service|--timezone/)
})

test('where nothing runs, status says so with 3 and leaves no trace', async () => {
  await using home = new Home(undefined)
  const { code, stdout } = await home.run('status', '--json')
  assert.equal(code, 3)
  const { running, pid, transports, turns, outbox } = JSON.parse(stdout)
  assert.deepEqual(
    { running, pid, transports, turns, outbox },
    {
      running: false,
      pid: null,
      transports: [],
      turns: { running: 0, queued: 0 },
      outbox: { pending: 0, failed: 0 },
    },
  )
  assert.equal((await home.run('status')).code, 3)
  assert.equal((await home.run('stop')).code, 3)
  assert.equal((await home.run('trace', '57')).code, 1)
  assert.equal(existsSync(join(home.folder, 'run')), false)
})

test('ductor try needs nothing, says what it is, answers status, and stops when it is told', async () => {
  await using home = new Home(undefined, { PATH: '' })
  const running = home.start('try')
  assert.match(await running.ready(), /^ready web http:\/\/127\.0\.0\.1:\d+\/\S* in \d+ ms$/)
  assert.match(running.stdout, /demo agent answers. It is a small program, no AI/)
  const shown = await home.run('status', '--json')
  assert.equal(shown.code, 0)
  const status = JSON.parse(shown.stdout)
  assert.equal(status.running, true)
  assert.equal(status.pid, running.child.pid)
  assert.equal(typeof status.version, 'string')
  assert.equal(typeof status.uptime_s, 'number')
  assert.deepEqual(Object.keys(status.transports[0]).toSorted(), [
    'account',
    'detail',
    'last_event_at',
    'name',
    'state',
  ])
  assert.equal(status.transports[0].state, 'connected')
  assert.deepEqual(status.agents, [{ name: 'main', provider: 'demo' }])
  assert.match((await home.run('status')).stdout, /^ductor .* is running \(pid \d+, for /)
  const note = join(home.folder, 'run', 'ductor.json')
  assert.equal(statSync(note).mode & 0o777, 0o600)
  assert.deepEqual(await home.run('stop'), { code: 0, stdout: 'ductor has stopped.\n', stderr: '' })
  assert.equal(await running.ended, 0)
  assert.equal(existsSync(note), false)
  assert.equal((await home.run('status')).code, 3)
})

test('a second start names the one that runs, and leaves it alone', async () => {
  await using home = new Home(undefined)
  const running = home.start('try', '--provider', 'demo')
  await running.ready()
  const second = await home.run('try', '--provider', 'demo')
  assert.equal(second.code, 1)
  assert.match(second.stderr, new RegExp(`already running here.*pid ${running.child.pid}, since `))
  assert.equal((await home.run('status')).code, 0)
})

test('after kill -9 nothing is said to run, and the next start is an ordinary one', async () => {
  await using home = new Home(undefined)
  const first = home.start('try', '--provider', 'demo')
  await first.ready()
  await first.kill()
  assert.equal((await home.run('status')).code, 3)
  const second = home.start('try', '--provider', 'demo')
  await second.ready()
  assert.equal(JSON.parse((await home.run('status', '--json')).stdout).pid, second.child.pid)
  assert.equal(await second.stop(), 0)
})

test('SIGINT ends in good order', async () => {
  await using home = new Home(undefined)
  const running = home.start('try', '--provider', 'demo')
  await running.ready()
  running.child.kill('SIGINT')
  assert.equal(await running.ended, 0)
})

test('a turn that goes on longer than the grace does not keep ductor from ending', async () => {
  await using stage = await busyHome({ shutdown_grace_seconds: 0 })
  assert.equal(await stage.running.stop(), 0)
})

test('a second signal ends at once, whatever still runs', async () => {
  await using stage = await busyHome({ shutdown_grace_seconds: 3600 })
  stage.running.child.kill('SIGTERM')
  const log = join(stage.home.folder, 'logs', 'ductor.log')
  await eventually(() => readFileSync(log, 'utf8').includes('"stopping"'))
  stage.running.child.kill('SIGTERM')
  assert.equal(await stage.running.ended, 1)
})

test('the log has neither the token nor what was written', async () => {
  await using stage = await busyHome({ shutdown_grace_seconds: 0 })
  const { telegram_token: token } = JSON.parse(
    readFileSync(join(stage.home.folder, 'config', 'config.json'), 'utf8'),
  )
  await stage.running.stop()
  const log = readFileSync(join(stage.home.folder, 'logs', 'ductor.log'), 'utf8')
  assert.ok(log.length > 0)
  assert.ok(!log.includes(token))
  assert.ok(!log.includes('3600000"'))
  for (const line of log.trimEnd().split('\n')) assert.doesNotThrow(() => JSON.parse(line))
})

test('a transport that cannot connect is named with its reason, and the others run', async () => {
  const telegram = await FakeTelegram.start()
  await using home = new Home({
    transports: ['telegram', 'web'],
    telegram_token: '1234567:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    allowed_user_ids: [owner],
    telegram_api_root: telegram.apiRoot,
    provider: 'demo',
  })
  try {
    const running = home.start()
    assert.match(await running.ready(), /^ready telegram failed \(.+\), web http:\S+ in \d+ ms$/)
    assert.equal(await running.stop(), 0)
  } finally {
    await telegram.stop()
  }
})

test('no coding agent on the PATH is said before anything starts', async () => {
  await using home = new Home(
    { telegram_token: '123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1', allowed_user_ids: [1] },
    { PATH: '' },
  )
  const { code, stderr } = await home.run()
  assert.equal(code, 1)
  assert.match(stderr, /No coding agent was found on the PATH\. Install Claude Code/)
})

test('doctor finds nothing wrong with a good home, and says who may talk', async () => {
  const telegram = await FakeTelegram.start()
  await using home = new Home({
    telegram_token: telegram.token,
    allowed_user_ids: [owner],
    telegram_api_root: telegram.apiRoot,
    provider: 'demo',
  })
  try {
    const { code, stdout } = await home.run('doctor', '--json')
    const findings: { level: string; what: string }[] = JSON.parse(stdout)
    assert.deepEqual(
      findings.filter(({ level }) => level === 'problem'),
      [],
    )
    assert.equal(code, 0)
    const said = findings.map(({ what }) => what).join('\n')
    assert.match(said, /^Node 2\d\./m)
    assert.match(said, /config\.json is good/)
    assert.match(said, /provider demo answers/)
    assert.match(said, /telegram: only 4711 may talk to the bot, in private chats/)
    assert.match(said, /MB are free/)
    assert.match(said, /ductor is not running here/)
    assert.equal(existsSync(join(home.folder, 'ductor.db')), false)
  } finally {
    await telegram.stop()
  }
})

test('doctor names each problem with its mend, and ends with 1', async () => {
  await using home = new Home({ transport: 'telegram', telegram_token: 'YOUR_TELEGRAM_TOKEN' })
  writeFileSync(join(home.folder, 'ductor.db'), 'this is no database at all')
  const { code, stdout } = await home.run('doctor')
  assert.equal(code, 1)
  assert.match(stdout, /^problem {2}the store does not open: .*\n +→ keep /m)
  assert.match(stdout, /^problem {2}telegram_token: .*\n +→ edit /m)
})

test('doctor looks into agents.json as into config.json', async () => {
  await using home = new Home({ transport: 'web', provider: 'demo' })
  const agents = [
    { name: 'coder', transport: 'web', web: { prt: 1 } },
    { name: 'tester', telegram_tokn: '1:x', provider: 'demo' },
  ]
  writeFileSync(join(home.folder, 'agents.json'), JSON.stringify(agents))
  const { code, stdout } = await home.run('doctor')
  assert.equal(code, 1)
  assert.match(
    stdout,
    /^warning {2}agents\.json, coder: web\.prt: is no key of ductor; did you mean port\?$/m,
  )
  assert.match(
    stdout,
    /^problem {2}agents\.json, tester: telegram_token: is missing.*\n +→ edit \S+agents\.json$/m,
  )
})

test('a file in the place of the home folder, and an agent that there is not, are plain sentences', async () => {
  await using home = new Home(undefined)
  const setUp = ['onboarding', '--non-interactive', '--accept-risk', '--transports=web']
  const wrong = await home.run(...setUp, '--answering-agent=hal')
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /^There is no agent “hal”; there are claude, /)
  const asked = await home.run(...setUp, '--answering-agent=demo')
  assert.equal(asked.code, 0, asked.stderr)
  assert.match(readFileSync(join(home.folder, 'config', 'config.json'), 'utf8'), /"provider": "demo"/)
  writeFileSync(join(home.folder, 'file'), '')
  await using inFile = new Home(undefined, { DUCTOR_HOME: join(home.folder, 'file') })
  const shut = await inFile.run(...setUp)
  assert.equal(shut.code, 1)
  assert.match(shut.stderr, /^A file stands where a folder is needed: \S+file\./)
})

test('a store that is broken is a plain sentence, not a crash', async () => {
  await using home = new Home(undefined)
  writeFileSync(join(home.folder, 'ductor.db'), 'this is no database at all')
  const { code, stderr } = await home.run('try', '--provider', 'demo')
  assert.equal(code, 1)
  assert.match(stderr, /^The store .* does not open: file is not a database\. “ductor doctor” says more\.\n$/)
})

test(
  'after a crash it begins anew by itself, and ends where it crashes again at once',
  { skip: process.platform === 'win32' && 'a process cannot become another one here' },
  async () => {
    await using home = new Home(undefined)
    const trigger = join(home.folder, 'crash')
    const running = home.startWith(
      {
        NODE_OPTIONS: `--import=${new URL('./support/crash-when.ts', import.meta.url).href}`,
        DUCTOR_CRASH_TRIGGER: trigger,
        // Tests may run where somebody else would start it again.
        INVOCATION_ID: '',
      },
      'try',
      '--port=0',
      '--provider=demo',
    )
    const starts = () => running.stdout.match(/^ready/gm)?.length ?? 0
    await eventually(() => starts() === 1)
    writeFileSync(trigger, '')
    await eventually(
      () => starts() === 2,
      () => running.stderr,
    )
    assert.match(running.stderr, /ductor crashed: a fault of ours/)
    writeFileSync(trigger, '')
    assert.equal(await running.ended, 1)
  },
)
