import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseExactJson } from './exact-json.ts'

test('whole numbers beyond 2^53 come as texts with every digit, and all else as ever', () => {
  const text =
    '{"room": 17446744073709551615, "chat": -1001234567890, "cost": 0.125, "big": 1e30, "list": [9007199254740993]}'
  assert.deepEqual(parseExactJson(text), {
    room: '17446744073709551615',
    chat: -1_001_234_567_890,
    cost: 0.125,
    big: 1e30,
    list: ['9007199254740993'],
  })
  assert.throws(() => parseExactJson('{'), SyntaxError)
})
