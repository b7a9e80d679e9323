import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryStore } from '../../../../tests/contracts/in-memory.ts'
import { Replays } from './replays.ts'

test('what was read is remembered for a year', () => {
  const store = new InMemoryStore()
  const day = 24 * 3_600_000
  const event = (id: string, ciphertext: string) => {
    const content = { ciphertext: Buffer.from(ciphertext.padEnd(200)).toString('base64') }
    return { event_id: id, type: 'm.room.encrypted', sender: '@a:b', origin_server_ts: 0, content }
  }
  const isReplay = (id: string, ciphertext: string, now: number) => {
    const changes: Record<string, string | null> = {}
    const found = new Replays(store, changes).isReplay(event(id, ciphertext), now)
    store.remember(changes)
    return found
  }
  assert.deepEqual(
    [isReplay('$1', 'a', 0), isReplay('$1', 'a', 1), isReplay('$2', 'a', 2)],
    [false, false, true],
  )
  assert.ok(!isReplay('$3', 'b', 200 * day))
  assert.ok(isReplay('$4', 'a', 364 * day))
  assert.ok(!isReplay('$5', 'c', 366 * day))
  assert.equal(store.list('read:').length, 2)
  assert.ok(isReplay('$6', 'b', 366 * day))
})

test('another signature or spelling of the same is the same; another message is another', () => {
  const replays = new Replays(new InMemoryStore(), {})
  const isReplay = (id: string, ciphertext: string) => {
    const content = { ciphertext }
    return replays.isReplay(
      { event_id: id, type: 'm.room.encrypted', sender: '@a:b', origin_server_ts: 0, content },
      0,
    )
  }
  const bytes = Buffer.alloc(200, 'abc')
  const otherwise = Buffer.from(bytes).fill('x', 150)
  const another = Buffer.from(bytes).fill('x', 100, 101)
  assert.ok(!isReplay('$1', bytes.toString('base64')))
  assert.ok(isReplay('$2', bytes.toString('base64').replaceAll('=', '')))
  assert.ok(isReplay('$3', otherwise.toString('base64')))
  assert.ok(!isReplay('$4', another.toString('base64')))
})
