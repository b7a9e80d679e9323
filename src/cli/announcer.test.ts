import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Announcer } from './announcer.ts'

test('one line names every transport when each has tried, and later each speaks for itself', () => {
  const lines: string[] = []
  const announcer = new Announcer(['telegram', 'matrix'], (line) => lines.push(line))
  announcer.meet('matrix', { state: 'failed', account: '@bot:hs', detail: 'M_FORBIDDEN' })
  announcer.meet('telegram', { state: 'connected', account: '@my_bot' })
  assert.deepEqual(lines, [])
  announcer.ready(312.4)
  assert.deepEqual(lines.splice(0), ['ready telegram @my_bot, matrix @bot:hs failed (M_FORBIDDEN) in 312 ms'])

  announcer.meet('matrix', { state: 'connecting', account: '@bot:hs' })
  announcer.meet('matrix', { state: 'connected', account: '@bot:hs' })
  announcer.meet('matrix', { state: 'connected', account: '@bot:hs', detail: 'three rooms' })
  assert.deepEqual(lines.splice(0), ['connected matrix @bot:hs'])

  announcer.meet('telegram', { state: 'failed', account: '@my_bot', detail: 'the token was revoked' })
  announcer.meet('telegram', { state: 'stopped', account: '@my_bot' })
  assert.deepEqual(lines.splice(0), ['lost telegram @my_bot failed (the token was revoked)'])
})
