import assert from 'node:assert/strict'
import { test } from 'node:test'
import { once } from './once.ts'

test('what is made when it is first needed is made once, even where it is nothing', () => {
  let made = 0
  const get = once(() => {
    made += 1
    return undefined
  })
  assert.equal(made, 0)
  get()
  get()
  assert.equal(made, 1)
})
