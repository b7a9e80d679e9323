import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionExpiry } from './agent.ts'
import { expired } from './freshness.ts'

const never: SessionExpiry = { idleMs: Number.POSITIVE_INFINITY, messages: Number.POSITIVE_INFINITY }
const now = Date.parse('2026-11-25T10:00:00Z')

function session(usedAt: string, messages = 1) {
  return { provider: 'claude', id: 's', beganAt: 0, usedAt: Date.parse(usedAt), messages, costUsd: 0 }
}

test('a session goes on for ever where nothing else is said', () => {
  assert.equal(expired(session('2020-01-01T00:00:00Z', 10_000), never, now), undefined)
})

test('a session that was idle for too long is over', () => {
  const expiry = { ...never, idleMs: 3600_000 }
  assert.equal(expired(session('2026-11-25T09:30:00Z'), expiry, now), undefined)
  assert.match(expired(session('2026-11-25T08:00:00Z'), expiry, now) ?? '', /idle for 2 h/)
})

test('a session with as many messages as it may have is over', () => {
  assert.match(
    expired(session('2026-11-25T09:59:00Z', 50), { ...never, messages: 50 }, now) ?? '',
    /50 messages/,
  )
})

test('a daily session ends at its hour of the person’s own time zone', () => {
  const tokyo = { ...never, dailyHour: 18, timeZone: 'Asia/Tokyo' }
  // 18:00 in Tokyo was 09:00 UTC.
  assert.equal(expired(session('2026-11-25T09:01:00Z'), tokyo, now), undefined)
  assert.match(expired(session('2026-11-25T08:59:00Z'), tokyo, now) ?? '', /every day/)
})

test('a daily session ends once also on the day on which the clocks change', () => {
  const berlin = { ...never, dailyHour: 4, timeZone: 'Europe/Berlin' }
  const noon = Date.parse('2026-10-25T11:00:00Z')
  assert.match(expired(session('2026-10-25T02:59:00Z'), berlin, noon) ?? '', /every day/)
  assert.equal(expired(session('2026-10-25T03:01:00Z'), berlin, noon), undefined)
})
