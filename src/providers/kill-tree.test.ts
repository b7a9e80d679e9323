import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { killTree, stillRunning, treeOf } from './kill-tree.ts'

test('a grandchild in a session of its own that ignores SIGTERM goes too', async () => {
  const inner = `process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1e6)`
  const outer = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}], { detached: true, stdio: 'inherit' }); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['-e', outer], { stdio: ['ignore', 'pipe', 'ignore'] })
  assert.ok(child.pid !== undefined)
  await once(child.stdout, 'data')
  const noted = await treeOf(child.pid)
  assert.equal(noted.length, 2)
  await killTree(child.pid, 50)
  await eventually(async () => (await stillRunning(noted)).length === 0, 'the end of all')
})

test(
  'a clock that is set back does not put off the end of what ignores SIGTERM',
  { timeout: 20_000 },
  async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    const deaf = `process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1e6)`
    const child = spawn(process.execPath, ['-e', deaf], { stdio: ['ignore', 'pipe', 'ignore'] })
    t.after(() => child.kill('SIGKILL'))
    assert.ok(child.pid !== undefined)
    await once(child.stdout, 'data')
    // From now on it stands still, as it does for an hour where it is set back by one.
    const killed = killTree(child.pid, 50)
    await Promise.all([killed, once(child, 'exit')])
  },
)
