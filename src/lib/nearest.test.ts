import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.ts'

test('a slip of the finger finds its word', () => {
  assert.equal(nearest('statsu', ['status', 'stop', 'doctor']), 'status')
  assert.equal(nearest('Telegram', ['telegram', 'matrix']), 'telegram')
  assert.equal(nearest('alowed_users', ['allowed_users', 'allowed_rooms']), 'allowed_users')
})

test('a word that is nothing like the others finds none', () => {
  assert.equal(nearest('banana', ['status', 'stop', 'doctor']), undefined)
  assert.equal(nearest('banana', []), undefined)
})
