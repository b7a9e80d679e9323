import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { eventually } from './support/eventually.ts'
import { SmallMachine, whyNoSmallMachine } from './support/small-machine.ts'

const run = promisify(execFile)
const checkout = join(import.meta.dirname, '..')

/** The packed program and a Node, for another machine. */
async function packed() {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-given-'))
  const npm = (...args: string[]) =>
    run('npm', args, {
      cwd: checkout,
      env: { ...process.env, PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter) },
      maxBuffer: 10_000_000,
    })
  await run('chmod', ['755', folder])
  await npm('pack', '--silent', '--pack-destination', folder)
  const file = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')
  await npm('install', '--global', '--prefix', folder, '--prefer-offline', '--no-audit', '--no-fund', file)
  mkdirSync(join(folder, 'node'))
  copyFileSync(process.execPath, join(folder, 'node', 'node'))
  return {
    folder,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}

test(
  'under a real systemd ductor is installed, killed, restarted, stopped, broken, mended and uninstalled',
  { skip: whyNoSmallMachine() ?? false },
  async () => {
    using given = await packed()
    await using machine = await SmallMachine.start(given.folder, ['bin', 'node'])
    const ductor = (...args: string[]) => machine.run('ductor', ...args)
    const write = (text: string) =>
      machine.run(
        'sh',
        '-c',
        'mkdir -p ~/.ductor/config; echo "$1" > ~/.ductor/config/config.json',
        'sh',
        text,
      )
    const good = '{ "transport": "web", "provider": "demo" }'
    /** The process that runs now, if one does. */
    const pid = async (): Promise<number | null> => JSON.parse((await ductor('status', '--json')).stdout).pid
    const anotherThan = (before: number) =>
      eventually(async () => {
        const now = await pid()
        return now !== null && now !== before && now
      })
    const unit = async (property: string) =>
      (await machine.run('systemctl', '--user', 'show', '-P', property, 'ductor')).stdout.trim()

    const unready = await ductor('service', 'install')
    assert.equal(unready.code, 1)
    assert.match(unready.stderr, /^ductor is not configured: “ductor onboarding”/)

    await write(good)
    const installed = await ductor('service', 'install')
    assert.equal(installed.code, 0, installed.stderr)
    assert.match(
      installed.stdout,
      /^wrote \/home\/visitor\/\.config\/systemd\/user\/ductor\.service\nductor is a service of systemd now \(pid \d+\)\. It starts with this machine\.\n$/,
    )
    const first = (await pid()) ?? assert.fail('it does not run')
    assert.equal(await unit('MainPID'), String(first))
    assert.equal(await unit('UnitFileState'), 'enabled')
    assert.match((await ductor('service', 'status')).stdout, /active \(running\)/)

    await machine.run('kill', '-9', String(first))
    const second = await anotherThan(first)

    const restarted = await ductor('restart')
    assert.match(restarted.stdout, /^ductor \S+ has restarted \(pid \d+\)\.\n$/)
    const third = await anotherThan(second)
    assert.equal(await unit('NRestarts'), '2')

    // Like after “su”: nothing says where the person's own systemd listens.
    const stopped = await machine.runWith({}, 'ductor', 'service', 'stop')
    assert.equal(stopped.code, 0, stopped.stderr)
    assert.equal(await pid(), null)
    assert.equal((await ductor('service', 'status')).code, 3)
    assert.match((await ductor('status')).stdout, /“ductor service start” starts it/)
    assert.match((await ductor('service', 'start')).stdout, /^The service was started \(pid \d+\)\.\n$/)
    assert.notEqual(await pid(), third)
    assert.equal((await ductor('stop')).code, 0)
    assert.equal(await pid(), null)

    // It is tried again for ever, and that costs nothing: each time it waits before it ends.
    await write('{ "transport": "web"')
    assert.equal((await machine.run('systemctl', '--user', 'start', 'ductor')).code, 0)
    await eventually(
      async () => /could not start[^]*cannot be used/.test((await ductor('logs')).stdout),
      'the reason in the log',
    )
    assert.match((await ductor('status')).stdout, /cannot start:[^]*line 2, column \d+/)
    assert.equal(await unit('ActiveState'), 'active')
    assert.equal(await unit('StartLimitIntervalUSec'), '0')
    assert.match((await ductor('stop')).stdout, /^ductor is not running\. Its service does not try/)
    assert.equal(await unit('ActiveState'), 'inactive')
    assert.equal((await machine.run('systemctl', '--user', 'start', 'ductor')).code, 0)
    await write(good)
    const mended = await ductor('restart')
    assert.equal(mended.code, 0, mended.stderr)
    assert.ok(await pid())

    const uninstalled = await ductor('service', 'uninstall')
    assert.equal(uninstalled.code, 0, uninstalled.stderr)
    assert.equal(await pid(), null)
    assert.equal(await unit('LoadState'), 'not-found')
    assert.equal((await machine.run('ls', '/home/visitor/.ductor/config/config.json')).code, 0)
  },
)
