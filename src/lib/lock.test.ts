import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isLocked, takeLock } from './lock.ts'

function lockPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-lock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'run', 'lock.db')
}

test('only one has the lock, and the next gets it when it is released', (t) => {
  const path = lockPath(t)
  assert.equal(isLocked(path), false)
  const lock = takeLock(path)
  assert.ok(lock)
  assert.equal(isLocked(path), true)
  assert.equal(takeLock(path), undefined)
  lock.release()
  lock.release()
  assert.equal(isLocked(path), false)
  takeLock(path)?.release()
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('looking at the lock makes nothing', (t) => {
  const path = lockPath(t)
  assert.equal(isLocked(path), false)
  assert.equal(existsSync(path), false)
})

test('a start that falls into a look at the lock gets it all the same', async (t) => {
  const path = lockPath(t)
  takeLock(path)?.release()
  const script = `
    import { isLocked } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)}
    process.stdout.write('looking')
    for (;;) isLocked(${JSON.stringify(path)})
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  for (let start = 0; start < 100; start += 1) {
    using lock = takeLock(path)
    assert.ok(lock, `start ${start}`)
  }
  child.kill('SIGKILL')
  await once(child, 'exit')
})

test('a process that is killed gives the lock back', async (t) => {
  const path = lockPath(t)
  const script = `
    import { takeLock } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)}
    globalThis.lock = takeLock(${JSON.stringify(path)})
    process.stdout.write('taken')
    setInterval(() => {}, 1000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  assert.equal(isLocked(path), true)
  assert.equal(takeLock(path), undefined)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isLocked(path), false)
  using lock = takeLock(path)
  assert.ok(lock)
})
