import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { Running } from './support/ductor.ts'

const run = promisify(execFile)
const checkout = join(import.meta.dirname, '..')

describe('the package, as people install it', () => {
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

  before(async () => {
    mkdirSync(home)
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
})
