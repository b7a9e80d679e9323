import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import {
  message,
  place,
  press,
  ScriptedProvider,
  setStage,
  shows,
  untilAborted,
} from '../../tests/support/stage.ts'
import type { TurnEvent, UnpromptedTurn } from './provider.ts'

/** Begins turns by itself. */
class OwnWillProvider extends ScriptedProvider {
  speakUp: (turn: UnpromptedTurn) => void = () => {}

  listen(receive: (turn: UnpromptedTurn) => void): void {
    this.speakUp = receive
  }
}

test('a turn that an agent begins by itself is its own, also when another one was chosen meanwhile', async () => {
  const provider = new OwnWillProvider()
  const other = new ScriptedProvider()
  const stage = setStage({ provider, others: [['other', other]] })
  stage.gateway.start()
  await stage.hear(message('/model other'))
  await eventually(() => stage.store.strand(place.key, '')?.provider === 'other')
  async function* events(): AsyncGenerator<TurnEvent> {
    yield { type: 'session.started', sessionId: 'of scripted' }
    yield { type: 'permission.requested', id: 'p', title: 'Run a command', detail: 'make' }
    await eventually(() => provider.answers.length > 0)
    yield { type: 'turn.ended', stop: 'end_turn', text: 'done' }
  }
  provider.speakUp({ id: 'u', place, strand: '', events: events(), stop() {} })
  await eventually(() => stage.transport.token('Allow'))
  await stage.hear(press(stage, 'Allow'))
  await shows(stage, 'done')
  assert.deepEqual(other.answers, [])
  assert.equal(stage.store.session(place.key, '', 'other'), undefined)
  assert.equal(stage.store.session(place.key, '', 'scripted')?.id, 'of scripted')
})

test('/stop also ends a turn that an agent has begun by itself and that waits for the running one', async () => {
  const provider = new OwnWillProvider()
  const stage = setStage({ provider })
  stage.gateway.start()
  provider.script = (_turn, signal) => [
    { type: 'text', delta: 'begun' },
    () => untilAborted(signal),
    { type: 'turn.ended', stop: 'cancelled' },
  ]
  await stage.hear(message('long'))
  await shows(stage, 'begun')
  const stopped = Promise.withResolvers<void>()
  async function* events(): AsyncGenerator<TurnEvent> {
    yield { type: 'text', delta: 'I go on' }
    await stopped.promise
    yield { type: 'turn.ended', stop: 'cancelled' }
  }
  provider.speakUp({ id: 'u', place, strand: '', events: events(), stop: stopped.resolve })
  await stage.hear(message('/stop'))
  await stopped.promise
  await eventually(() => stage.store.runningTurns().length === 0)
  await eventually(() => stage.gateway.counts().running === 0)
})

test('a conversation whose agent has begun to speak is not forgotten before that can be written down', async () => {
  const provider = new OwnWillProvider()
  const stage = setStage({ provider })
  stage.gateway.start()
  await stage.hear(message('hello'))
  await shows(stage, 'echo hello')
  const conversation = stage.gateway.conversation(place, '')
  await eventually(() => conversation.idle)
  async function* events(): AsyncGenerator<TurnEvent> {
    yield { type: 'turn.ended', stop: 'end_turn', text: 'I have an idea' }
  }
  provider.speakUp({ id: 'u', place, strand: '', events: events(), stop() {} })
  assert.equal(conversation.idle, false)
  await shows(stage, 'I have an idea')
  await eventually(() => conversation.idle)
})
