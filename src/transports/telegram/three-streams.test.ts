import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'node:test'
import { silentLog } from '../../../tests/support/stage.ts'
import type { Place } from '../../core/message.ts'
import { Outbox } from '../../core/outbox.ts'
import type { View } from '../../core/view.ts'
import { openDatabase } from '../../store/open.ts'
import { sqliteStore } from '../../store/sqlite-store.ts'
import { Stage } from './stage.fake.ts'

/** Lets the calls that are under way come back: the network is real, only the clock is not. */
async function settle(stage: Stage): Promise<void> {
  for (let quiet = 0; quiet < 3;) {
    await nextTurn()
    const underWay = stage.network.history.some(
      ({ outcome, fault, method }) => outcome === undefined && fault === undefined && method !== 'getUpdates',
    )
    quiet = underWay ? 0 : quiet + 1
    for (let n = 0; n < 20; n += 1) await nextTurn()
  }
}

test('three turns that stream in one forum keep to 20 calls a minute, and each answer is there within 10 s', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
  await using stage = await Stage.open({ limits: { flood: true }, now: () => Date.now() })
  const { network } = stage
  const forum = network.group(-1001, { forum: true })
  const topics = ['one', 'two', 'three'].map((name) => forum.topic(name))
  const outbox = new Outbox({
    store: sqliteStore(openDatabase(':memory:')),
    transports: new Map([['telegram', stage.transport]]),
    log: silentLog,
    keep: async (write) => write(),
  })
  const show = (topic: number, seconds: number, state: View['state']): void => {
    const place: Place = {
      key: `tg:-1001:${topic}`,
      transport: 'telegram',
      chat: '-1001',
      thread: String(topic),
    }
    const text = `${state} in ${topic} after ${seconds} s`
    const view: View = { state, parts: [{ kind: 'text', text }], choices: [] }
    outbox.show({ key: `turn/${topic}`, place, view, final: state === 'ended', turn: `t${topic}` })
  }
  const endsAt = new Map(topics.map((topic, index) => [topic, 60 + index * 20]))
  const answeredAfter = new Map<number, number>()
  const stepMs = 250
  const begun = Date.now()
  for (let ms = 0; ms < 130_000; ms += stepMs) {
    t.mock.timers.tick(stepMs)
    const seconds = Math.floor(ms / 1000)
    for (const [topic, end] of endsAt) {
      if (ms < end * 1000) show(topic, seconds, 'working')
      else if (ms === end * 1000) show(topic, end, 'ended')
    }
    await settle(stage)
    for (const [topic, end] of endsAt) {
      const answer = network.posts(-1001).some(({ text }) => text === `ended in ${topic} after ${end} s`)
      if (answer && !answeredAfter.has(topic)) answeredAfter.set(topic, (Date.now() - begun) / 1000 - end)
    }
  }
  await outbox.close(0)
  const calls = network.history.filter(({ method }) => /^(?:sendMessage|editMessageText)$/.test(method))
  const refused = calls.filter(({ outcome }) => outcome?.ok === false)
  assert.deepEqual(
    refused.map(({ outcome }) => outcome),
    [],
  )
  assert.equal(answeredAfter.size, 3)
  for (const [topic, seconds] of answeredAfter) assert.ok(seconds <= 10, `topic ${topic} waited ${seconds} s`)
  const late = Math.max(...answeredAfter.values())
  t.diagnostic(`${calls.length} calls in 130 s; the slowest answer came ${late} s after its end`)
  assert.ok(calls.length >= 20, 'progress was shown')
  assert.deepEqual(network.lints, [])
})
