import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Warm } from './warm.ts'

interface Item {
  busy: boolean
  closed: boolean
  close(): Promise<void>
}

function item(busy = false): Item {
  return {
    busy,
    closed: false,
    async close() {
      this.closed = true
    },
  }
}

const plenty = { maxWarm: 8, idleMs: 60_000, memoryIsShort: () => false }

test('what was kept is handed over once', async () => {
  const warm = new Warm<Item>(plenty)
  const one = item()
  warm.keep('a', one)
  assert.equal(warm.take('a'), one)
  assert.equal(warm.take('a'), undefined)
  await warm.close()
  assert.equal(one.closed, false, 'what is in use is not ours to close')
})

test('over the number, the one that has waited longest goes; what is at work stays', () => {
  const warm = new Warm<Item>({ ...plenty, maxWarm: 2 })
  const [atWork, old, recent, newest] = [item(true), item(), item(), item()]
  for (const [key, each] of Object.entries({ atWork, old, recent, newest })) warm.keep(key, each)
  assert.deepEqual(
    [atWork, old, recent, newest].map(({ closed }) => closed),
    [false, true, true, false],
  )
})

test('what waits too long is closed, and no timer stays', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const clock = t.mock.method(performance, 'now', () => 0)
  const warm = new Warm<Item>(plenty)
  const [idle, atWork] = [item(), item(true)]
  warm.keep('idle', idle)
  warm.keep('at work', atWork)
  const pass = (ms: number) => {
    clock.mock.mockImplementation(() => ms)
    t.mock.timers.tick(15_000)
  }
  pass(59_000)
  assert.equal(idle.closed, false)
  pass(60_000)
  assert.deepEqual([idle.closed, atWork.closed], [true, false])
  atWork.busy = false
  pass(75_000)
  assert.equal(atWork.closed, true)
})

test('while memory is short, one after the other is closed, oldest first', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const warm = new Warm<Item>({ ...plenty, memoryIsShort: () => true })
  const [old, recent] = [item(), item()]
  warm.keep('old', old)
  warm.keep('recent', recent)
  t.mock.timers.tick(15_000)
  assert.deepEqual([old.closed, recent.closed], [true, false])
  t.mock.timers.tick(15_000)
  assert.equal(recent.closed, true)
})

test('after the end nothing is kept', async () => {
  const warm = new Warm<Item>(plenty)
  await warm.close()
  const late = item()
  warm.keep('a', late)
  assert.equal(late.closed, true)
})

test('nothing that waits keeps the program from ending', () => {
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const warm = new Warm<Item>(plenty)
  warm.keep('a', item())
  warm.keep('b', item())
  const during = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  warm.take('a')
  warm.take('b')
  assert.ok(during - before <= 0, 'the timer is not counted: it is unref’d')
})
