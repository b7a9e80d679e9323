import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { configReference, referencePage } from './support/config-reference.ts'

test('the reference of config.json says what the schemas say; npm run docs writes it anew', async () => {
  assert.equal(readFileSync(referencePage, 'utf8'), await configReference())
})
