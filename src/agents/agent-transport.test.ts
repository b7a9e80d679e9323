import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { place, setStage, shows } from '../../tests/support/stage.ts'
import { AgentTransport, type Answer, type Origin } from './agent-transport.ts'

const from: Origin = { agent: 'main', place, strand: '' }

/** An agent that others can ask, and what was brought to them later. */
function askable(t: TestContext, patienceMs?: number) {
  const brought: [Origin, Answer][] = []
  const transport = new AgentTransport({
    memory: {
      recall: (key) => stage.store.recall('agent', key),
      list: (prefix) => stage.store.list('agent', prefix),
      remember: (entries) => stage.store.remember('agent', entries),
    },
    bring: async (...what) => void brought.push(what),
    ...(patienceMs === undefined ? {} : { patienceMs }),
  })
  const stage = setStage({ moreTransports: [['agent', transport]] })
  const end = new AbortController()
  t.after(() => end.abort())
  void transport.listen(stage.gateway.intake('agent', end.signal), end.signal)
  return { transport, stage, brought, signal: end.signal }
}

test('an agent asks another, and waits for its answer', async (t) => {
  const { transport, stage, brought, signal } = askable(t)
  assert.equal(await transport.ask(from, 'what is the time?', true, signal), 'echo what is the time?')
  assert.deepEqual(brought, [])
  assert.equal(stage.provider.turns[0]?.place.key, 'agent:main')
})

test('whoever does not wait is brought the answer', async (t) => {
  const { transport, brought, signal } = askable(t)
  assert.equal(await transport.ask(from, 'look around', false, signal), undefined)
  await eventually(() => brought.length === 1)
  assert.deepEqual(brought[0]?.[0], from)
  assert.equal(brought[0]?.[1].text, 'echo look around')
})

test('whoever has waited long enough goes on, and is brought the answer later', async (t) => {
  const { transport, stage, brought, signal } = askable(t, 10)
  const gate = Promise.withResolvers<void>()
  stage.provider.script = () => [
    () => gate.promise,
    { type: 'turn.ended', stop: 'end_turn', text: 'at last' },
  ]
  assert.equal(await transport.ask(from, 'take your time', true, signal), undefined)
  gate.resolve()
  await eventually(() => brought.length === 1)
  assert.equal(brought[0]?.[1].text, 'at last')
})

test('what an agent is asked may not change anything where only a person could give leave', async (t) => {
  const { transport, stage, signal } = askable(t)
  await transport.ask(from, 'rm -rf', true, signal)
  assert.equal(stage.provider.turns[0]?.permissionMode, 'readOnly')
})

test('an answer that is brought goes on with the conversation that asked, once', async (t) => {
  const { stage } = askable(t)
  const answer = { id: '1', text: '@coder says: it is done' }
  await stage.gateway.hearAnswer(place, '', answer)
  await stage.gateway.hearAnswer(place, '', answer)
  await shows(stage, 'echo @coder says: it is done')
  assert.equal(stage.provider.turns.length, 1)
})
