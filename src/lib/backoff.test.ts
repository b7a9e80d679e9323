import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs } from './backoff.ts'

const options = { firstMs: 1000, longestMs: 60_000, random: () => 0 }

test('each failure doubles the wait, up to the longest', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 8].map((failures) => backoffMs(failures, options))
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
})

test('a year of failures still gives a finite wait', () => {
  assert.equal(backoffMs(1_000_000, options), 60_000)
})

test('chance takes off a third at most', () => {
  assert.equal(backoffMs(1, { ...options, random: () => 1 }), 667)
  assert.equal(backoffMs(1, { ...options, random: () => 0.5 }), 833)
})
