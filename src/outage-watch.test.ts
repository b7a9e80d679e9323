import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../tests/support/eventually.ts'
import { OutageWatch } from './outage-watch.ts'

function watching(patienceMs: number) {
  const told: string[] = []
  const watch = new OutageWatch({
    patienceMs,
    tell: (_key, text, except) => told.push(`not on ${except}: ${text}`),
  })
  return { told, watch }
}

test('the owner hears on the other transports that one is deaf, once, and that it hears again', async () => {
  const { told, watch } = watching(10)
  watch.meet('telegram', { state: 'failed', detail: 'no network' })
  watch.meet('telegram', { state: 'failed', detail: 'still none' })
  await eventually(() => told.length > 0)
  watch.meet('telegram', { state: 'connected' })
  watch.meet('telegram', { state: 'connected' })
  assert.equal(told.length, 2)
  assert.match(told[0] ?? '', /^not on telegram: ⚠ telegram has not been hearing anything .*: no network$/)
  assert.match(told[1] ?? '', /^not on telegram: telegram hears again/)
})

test('a short failure is nobody’s business', () => {
  const { told, watch } = watching(60_000)
  watch.meet('matrix', { state: 'failed' })
  watch.meet('matrix', { state: 'connected' })
  watch.close()
  assert.deepEqual(told, [])
})
