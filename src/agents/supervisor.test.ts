import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { silentLog } from '../../tests/support/stage.ts'
import type { App } from '../app.ts'
import { UserError } from '../core/user-error.ts'
import type { AgentEntry } from './entries.ts'
import { Supervisor } from './supervisor.ts'

function supervised(t: TestContext, open: (entry: AgentEntry) => void = () => {}) {
  const home = mkdtempSync(join(tmpdir(), 'ductor-agents-'))
  const log: string[] = []
  let entries: AgentEntry[] = []
  let problems: string[] = []
  let looks = 0
  let gone = false
  const supervisor = new Supervisor({
    home,
    log: silentLog,
    pollMs: 10,
    firstPauseMs: 5,
    graceMs: () => 0,
    read: async () => {
      looks += 1
      const seen = gone ? [] : entries
      gone = false
      return { entries: seen, problems }
    },
    async open(entry) {
      open(entry)
      log.push(`start ${entry.name}`)
      const app: Partial<App> = {
        status: () => ({
          transports: [],
          agents: [{ name: entry.name, provider: 'demo' }],
          turns: { running: 0, queued: 0 },
          outbox: { pending: 0, failed: 0 },
          store: { trouble: null },
          warnings: [],
        }),
        stop: async () => void log.push(`stop ${entry.name}`),
      }
      return app as App
    },
  })
  t.after(async () => {
    await supervisor.close()
    rmSync(home, { recursive: true })
  })
  const name = (...names: string[]) => {
    entries = names.map((one) => {
      const [agent = '', version = ''] = one.split(':')
      return { name: agent, file: { version } }
    })
  }
  /** Resolves when the file was looked at so many times more. */
  const looked = (times: number) => {
    const end = looks + times
    return eventually(() => looks >= end)
  }
  const complain = (...lines: string[]) => {
    problems = lines
  }
  /** The next look finds no file. */
  const vanish = () => {
    gone = true
  }
  return { supervisor, log, name, looked, complain, vanish }
}

test('what agents.json adds is started, what it drops is stopped, and only what changed begins anew', async (t) => {
  const { supervisor, log, name } = supervised(t)
  name('a', 'b')
  await supervisor.start()
  assert.deepEqual(log.toSorted(), ['start a', 'start b'])
  log.length = 0
  name('a', 'b:2', 'c')
  await eventually(() => log.length === 3)
  assert.deepEqual(log.toSorted(), ['start b', 'start c', 'stop b'])
  log.length = 0
  name('a', 'c')
  await eventually(() => log.length === 1)
  assert.deepEqual(log, ['stop b'])
})

test('an entry that cannot be read ends nobody: it may be the one that is being written', async (t) => {
  const { supervisor, log, name, looked, complain } = supervised(t)
  name('a', 'b')
  await supervisor.start()
  name('a')
  complain('agents.json, b: has the telegram_token of main; it needs its own')
  await looked(5)
  assert.deepEqual(log.toSorted(), ['start a', 'start b'])
  complain()
  await eventually(() => log.includes('stop b'))
})

test('a file that is gone for a moment, as where an editor replaces it, ends nobody', async (t) => {
  const { supervisor, log, name, looked, vanish } = supervised(t)
  name('a')
  await supervisor.start()
  vanish()
  await looked(5)
  assert.deepEqual(log, ['start a'])
  name()
  await eventually(() => log.includes('stop a'))
})

test('one that fails is begun again, and the others do not notice', async (t) => {
  let failures = 0
  const { supervisor, log, name } = supervised(t, (entry) => {
    if (entry.name === 'bad' && failures < 2) {
      failures += 1
      throw new Error('the port is taken')
    }
  })
  name('good', 'bad')
  await supervisor.start()
  assert.equal(supervisor.list().find((one) => one.name === 'bad')?.detail, 'the port is taken')
  await eventually(() => log.includes('start bad'))
  assert.deepEqual(
    supervisor.list().map(({ state }) => state),
    ['running', 'running'],
  )
  assert.equal(log.filter((line) => line === 'start good').length, 1)
})

test('what only a person can mend is not tried again until they do', async (t) => {
  let attempts = 0
  const { supervisor, name } = supervised(t, () => {
    attempts += 1
    throw new UserError('telegram_token: is missing')
  })
  name('bad')
  await supervisor.start()
  await supervisor.restartAgent('bad')
  assert.equal(attempts, 2)
  assert.equal(supervisor.list()[0]?.state, 'failed')
})

test('what a person stopped stays stopped until they start it', async (t) => {
  const { supervisor, log, name } = supervised(t)
  name('a')
  await supervisor.start()
  await supervisor.stopAgent('a')
  name('a:2')
  await eventually(() => supervisor.list()[0]?.state === 'stopped')
  await supervisor.startAgent('a')
  assert.deepEqual(log, ['start a', 'stop a', 'start a'])
  await assert.rejects(supervisor.startAgent('nobody'), /There is no sub-agent “nobody”/)
})
