import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message, place, setStage, shows } from '../../tests/support/stage.ts'

test('a turn that cannot be put together ends, its chat is told, and the next message has its turn', async () => {
  const stage = setStage()
  Object.assign(stage.gateway.agent, {
    instructions: () => Promise.reject(new Error('EACCES: permission denied')),
  })
  await stage.hear(message('hello'))
  await shows(stage, /ductor itself failed in this turn/)
  assert.equal(stage.store.runningTurns().length, 0)
  assert.equal(stage.store.inboundsIn('running', place.key).length, 0)
  Object.assign(stage.gateway.agent, { instructions: async () => '' })
  await stage.hear(message('again'))
  await shows(stage, 'echo again')
})

test('a turn whose end cannot be kept as it is ends all the same, with its words', async () => {
  const stage = setStage()
  stage.provider.script = () => [
    { type: 'session.started', sessionId: 's' },
    { type: 'text', delta: 'It is done.' },
    { type: 'turn.ended', stop: 'end_turn', usage: { costUsd: Number.NaN } },
  ]
  await stage.hear(message('hello'))
  await shows(stage, /^It is done\.\nductor itself failed at the end of this turn/)
  assert.equal(stage.store.runningTurns().length, 0)
  assert.equal(stage.store.inboundsIn('running', place.key).length, 0)
})
