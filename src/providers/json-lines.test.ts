import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linesOf } from './json-lines.ts'

test('LF alone ends a line, and the last line needs none', async () => {
  assert.deepEqual(await read(['{"a":"x\u2028y"}\r\n\n{"b"', ':1}']), [
    { type: 'line', text: '{"a":"x\u2028y"}' },
    { type: 'line', text: '{"b":1}' },
  ])
})

test('a line over the limit is told by its size, and the next one is read', async () => {
  assert.deepEqual(await read(['12345', '67890', '1\nnext\n'], 10), [
    { type: 'too-long', bytes: 11 },
    { type: 'line', text: 'next' },
  ])
})

test('a letter that is cut between two chunks is whole', async () => {
  const bytes = Buffer.from('é\n')
  assert.deepEqual(await read([bytes.subarray(0, 1), bytes.subarray(1)]), [{ type: 'line', text: 'é' }])
})

function read(chunks: readonly (string | Uint8Array)[], limit?: number) {
  async function* source() {
    for (const chunk of chunks) yield Buffer.from(chunk)
  }
  return Array.fromAsync(linesOf(source(), limit))
}
