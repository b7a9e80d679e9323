import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog } from '../../tests/support/stage.ts'
import { takeLock } from '../lib/lock.ts'
import { ask, lockPath, openControl, readNote } from './control.ts'
import { stopRunning } from './stop.ts'

function homeFor(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'ductor-control-'))
  t.after(() => rmSync(home, { recursive: true }))
  return home
}

const answers = new Map<string, (query: URLSearchParams) => unknown>([
  ['status', () => ({ fine: true })],
  ['trace', (query) => [query.get('id')]],
  [
    'broken',
    () => {
      throw new Error('the store is closed')
    },
  ],
])

function open(home: string) {
  return openControl(home, { version: '1.2.3', answers, log: silentLog })
}

test('a question is answered, and an id goes through whole', async (t) => {
  const home = homeFor(t)
  using lock = takeLock(lockPath(home))
  assert.ok(lock)
  await using _control = await open(home)
  const status = await ask(home, 'status')
  assert.ok(status.state === 'running')
  assert.deepEqual(status.answer, { fine: true })
  assert.equal(status.note.pid, process.pid)
  const id = '$a+b/c&d=e:example.org'
  const trace = await ask(home, `trace?id=${encodeURIComponent(id)}`)
  assert.ok(trace.state === 'running')
  assert.deepEqual(trace.answer, [id])
})

test('nobody is answered without the token, which only the owner can read', async (t) => {
  const home = homeFor(t)
  using lock = takeLock(lockPath(home))
  assert.ok(lock)
  await using _control = await open(home)
  const note = readNote(home)
  assert.ok(note)
  assert.equal(statSync(join(home, 'run', 'ductor.json')).mode & 0o777, 0o600)
  assert.ok(note.token.length >= 40)
  const url = `http://127.0.0.1:${note.port}/status`
  assert.equal((await fetch(url)).status, 401)
  for (const authorization of ['Bearer ', `Bearer ${note.token}x`, `Basic ${note.token}`]) {
    const response = await fetch(url, { headers: { authorization } })
    assert.equal(response.status, 401)
    assert.doesNotMatch(await response.text(), /fine/)
  }
})

test('a question that cannot be answered does not bring it down', async (t) => {
  const home = homeFor(t)
  using lock = takeLock(lockPath(home))
  assert.ok(lock)
  await using _control = await open(home)
  const broken = await ask(home, 'broken', 300)
  assert.ok(broken.state === 'silent')
  assert.match(broken.why, /the store is closed/)
  assert.equal((await ask(home, 'no-such-question', 300)).state, 'silent')
  assert.equal((await ask(home, 'status')).state, 'running')
})

test('what an earlier run left written down is not taken for one that runs', async (t) => {
  const home = homeFor(t)
  assert.equal((await ask(home, 'status')).state, 'stopped')
  mkdirSync(join(home, 'run'))
  const left = { pid: 1, startedAt: 0, version: '0', port: 9, token: 'x' }
  writeFileSync(join(home, 'run', 'ductor.json'), JSON.stringify(left))
  assert.equal((await ask(home, 'status')).state, 'stopped')
  takeLock(lockPath(home))?.release()
  assert.equal((await ask(home, 'status')).state, 'stopped')
})

test('one that is only just starting is waited for', async (t) => {
  const home = homeFor(t)
  using lock = takeLock(lockPath(home))
  assert.ok(lock)
  const left = { pid: 1, startedAt: 0, version: '0', port: 9, token: 'x' }
  writeFileSync(join(home, 'run', 'ductor.json'), JSON.stringify(left))
  const asked = ask(home, 'status', 30_000)
  await using _control = await open(home)
  assert.equal((await asked).state, 'running')
})

test('one that hangs is said to run and not to answer', async (t) => {
  const home = homeFor(t)
  using lock = takeLock(lockPath(home))
  assert.ok(lock)
  const hung = createServer(() => {})
  await new Promise<void>((resolve) => hung.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    hung.closeAllConnections()
    hung.close()
  })
  const address = hung.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const note = { pid: 77, startedAt: 0, version: '0', port, token: 'x' }
  writeFileSync(join(home, 'run', 'ductor.json'), JSON.stringify(note))
  const asked = await ask(home, 'status', 200)
  assert.ok(asked.state === 'silent')
  assert.equal(asked.note?.pid, 77)
  assert.equal(asked.why, 'no answer in time')
})

test('when it has closed, nothing is left that says that it runs', async (t) => {
  const home = homeFor(t)
  using lock = takeLock(lockPath(home))
  assert.ok(lock)
  const control = await open(home)
  assert.ok(readFileSync(join(home, 'run', 'ductor.json')))
  await control[Symbol.asyncDispose]()
  assert.equal(readNote(home), undefined)
})

test('a home that cannot be written to leaves no open door behind', async (t) => {
  // Without its folder `run`, the note has no place. A server that were left open would keep this test from ending.
  await assert.rejects(open(homeFor(t)), { code: 'ENOENT' })
})

test('whoever stops it knows whether it has ended, and waits as long as its turns may go on', async (t) => {
  const home = homeFor(t)
  assert.equal((await stopRunning(home)).state, 'absent')
  const lock = takeLock(lockPath(home))
  assert.ok(lock)
  let graceS = 0
  // For a moment it goes on with what it was asked to stop: that this is waited for is the case.
  const leave = () => setTimeout(() => lock[Symbol.dispose](), 100)
  const stopping = new Map([
    [
      'stop',
      () => {
        if (graceS > 0) leave()
        return { stopping: true, grace_s: graceS }
      },
    ],
  ])
  await using _control = await openControl(home, { version: '1.2.3', answers: stopping, log: silentLog })
  assert.deepEqual(await stopRunning(home, 0), { state: 'stays', kill: ` (kill -9 ${process.pid})` })
  graceS = 600
  assert.equal((await stopRunning(home, 0)).state, 'stopped')
})
