import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { duration, Silence } from './silence.ts'

test('silence is told once, and ends the turn when it goes on', (t) => {
  const { silence, said, pass } = watch(t)
  pass(299_000)
  assert.deepEqual(said, [])
  pass(1_000)
  assert.deepEqual(said, ['tell'])
  pass(1_499_000)
  assert.deepEqual(said, ['tell'])
  pass(1_000)
  assert.deepEqual(said, ['tell', 'stop'])
  silence.end()
})

test('every word begins the silence anew', (t) => {
  const { silence, said, pass } = watch(t)
  for (let n = 0; n < 20; n += 1) {
    pass(200_000)
    silence.broken()
  }
  assert.deepEqual(said, [])
  silence.end()
})

test('while a person is asked, silence is nobody’s fault', (t) => {
  const { silence, said, pass } = watch(t)
  silence.hold(true)
  pass(10_000_000)
  assert.deepEqual(said, [])
  silence.hold(false)
  pass(300_000)
  pass(300_000)
  assert.deepEqual(said, ['tell'])
  silence.end()
})

test('durations are told as people say them', () => {
  assert.deepEqual([900, 1000, 90_000, 300_000].map(duration), [
    '1 second',
    '1 second',
    '90 seconds',
    '5 minutes',
  ])
})

function watch(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const said: string[] = []
  const limits = { noticeMs: 300_000, stopMs: 1_800_000 }
  const silence = new Silence(
    limits,
    () => said.push('tell'),
    () => said.push('stop'),
  )
  const pass = (ms: number) => {
    // In steps: a timer that is set while time passes must see the time at which it is set.
    for (let left = ms; left > 0; left -= 1000) {
      now += 1000
      t.mock.timers.tick(1000)
    }
  }
  return { silence, said, pass }
}
