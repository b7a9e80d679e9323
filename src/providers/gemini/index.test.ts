import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import gemini from './index.ts'

const deps = { home: '/nowhere', log: silentLog, memory: new InMemoryStore(), env: { PATH: '/nowhere' } }

test('a terminal goes on with the session by the program that the configuration names', async () => {
  const usual = await gemini.open(gemini.config.parse({}), deps)
  assert.deepEqual(usual.handoff?.('id', '/work'), ['gemini', '--resume', 'id'])
  const named = await gemini.open(gemini.config.parse({ command: ['node', 'gemini.js'] }), deps)
  assert.deepEqual(named.handoff?.('id', '/work'), ['node', 'gemini.js', '--resume', 'id'])
})

test('doctor says how to get a Gemini that is not there', async () => {
  const provider = await gemini.open(gemini.config.parse({}), deps)
  const health = await provider.check?.(new AbortController().signal)
  assert.equal(health?.installed, false)
  assert.match(health?.mend ?? '', /npm install -g @google\/gemini-cli/)
})
