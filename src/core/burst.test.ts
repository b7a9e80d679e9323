import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message } from '../../tests/support/stage.ts'
import { burst } from './burst.ts'
import type { Message } from './message.ts'
import type { InboxRow } from './store.ts'

const now = 1_000_000

function queue(
  ...messages: readonly (Partial<Message> & { readonly text: string; readonly ago?: number })[]
) {
  return messages.map(({ text, ago = 0, ...more }, index): InboxRow => ({
    seq: index + 1,
    strand: '',
    state: 'queued',
    attempts: 0,
    receivedAt: now - ago,
    inbound: message(text, { sentAt: now - ago, ...more }),
  }))
}

const taken = (rows: readonly InboxRow[]) => rows.map(({ seq }) => seq)

test('two messages that somebody wrote one after the other are two turns', () => {
  const { rows, waitMs } = burst(queue({ text: 'one' }, { text: 'two' }), now)
  assert.deepEqual([taken(rows), waitMs], [[1], 0])
})

test('an album is one turn, once no more of it comes', () => {
  const album = queue({ text: 'look', partial: true }, { text: '', partial: true })
  assert.ok(burst(album, now).waitMs > 0)
  const later = burst(album, now + 1000)
  assert.deepEqual([taken(later.rows), later.waitMs], [[1, 2], 0])
})

test('a caption that follows its picture belongs to it', () => {
  const { rows, waitMs } = burst(queue({ text: '', ago: 1500 }, { text: 'what is this?' }), now)
  assert.deepEqual([taken(rows), waitMs], [[1, 2], 0])
})

test('a text that the app has split is one turn', () => {
  const { rows } = burst(queue({ text: 'x'.repeat(4096), partial: true }, { text: 'the rest' }), now)
  assert.deepEqual(taken(rows), [1, 2])
})

test('what another person writes in between is a turn of its own', () => {
  const all = queue({ text: 'a', partial: true }, { text: 'b', partial: true, sender: { id: 'other' } })
  assert.deepEqual(taken(burst(all, now).rows), [1])
})

test('a backlog waits for nothing', () => {
  const { waitMs } = burst(queue({ text: 'one', partial: true, ago: 60_000 }), now)
  assert.equal(waitMs, 0)
})
