import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { livingProcess, livingProcesses, startedWith } from './process-table.ts'

async function start(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<number> {
  const code = 'console.log(1); setInterval(() => {}, 1e6)'
  const stdio = ['ignore', 'pipe', 'ignore'] as const
  const child = spawn(process.execPath, ['-e', code], { env: { ...process.env, ...env }, stdio: [...stdio] })
  t.after(() => child.kill('SIGKILL'))
  assert.ok(child.stdout !== null)
  await once(child.stdout, 'data')
  return child.pid ?? 0
}

test('a process is told by its pid, its parent and its start, alone as among all', async (t) => {
  const pid = await start(t)
  const one = await livingProcess(pid)
  assert.equal(one?.parent, process.pid)
  assert.deepEqual(
    (await livingProcesses()).find((each) => each.pid === pid),
    one,
  )
  assert.equal(await livingProcess(2 ** 30), undefined)
})

test('a mark is found behind however much else is in the environment', async (t) => {
  const pid = await start(t, { A_LOT: 'ü'.repeat(30_001), A_MARK: 'this one' })
  const found = await startedWith('A_MARK', new Set(['this one']), await livingProcesses())
  assert.deepEqual(
    found.map((each) => each.pid),
    [pid],
  )
})
