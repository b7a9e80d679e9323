import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { realOpencode } from '../../../tests/support/real-opencode.ts'
import type { Provider, Turn, TurnEvent } from '../../core/provider.ts'
import { opencodeStage } from './opencode-stage.fake.ts'

const why = await realOpencode.why()
const skip = why === undefined ? {} : { skip: why }
const never = new AbortController().signal

test(
  'a key that is not accepted, a vendor that never answers: the turn says so, and the next works',
  skip,
  async () => {
    await using stage = await opencodeStage()
    const provider = stage.open({ silence_notice_seconds: 1, silence_minutes: 0.2 })
    const refused = await all(provider, stage.turn('a', 'error 401'))
    assert.match(endOf(refused).error ?? '', /opencode is not signed in, .* `opencode auth login`/)
    const resume = refused.find((event) => event.type === 'session.started')?.sessionId ?? ''
    // It tries again without end and without a word.
    for (const prompt of ['error 429', 'error 500']) {
      const events = await all(provider, stage.turn('a', prompt, { resume }))
      assert.match(noticesOf(events).join(), /opencode has said nothing for a second/)
      assert.equal(endOf(events).stop, 'failed')
      assert.match(endOf(events).error ?? '', /opencode said nothing for 12 seconds, so the turn was ended/)
    }
    assert.equal(textOf(await all(provider, stage.turn('a', 'say back', { resume }))), 'back')
  },
)

test(
  'models, sessions, what is left of the context and the command for a terminal come from opencode',
  skip,
  async () => {
    await using stage = await opencodeStage()
    const provider = stage.open()
    const first = await all(provider, stage.turn('a', 'think hmm | hello'))
    assert.ok(first.some((event) => event.type === 'thinking'))
    assert.equal(endOf(first).usage?.contextWindow, 200_000)
    const { models = [] } = (await provider.models?.(never)) ?? {}
    assert.ok(models.some(({ id }) => id === 'mock/m2'))
    const second = await all(provider, stage.turn('b', 'model', { model: 'mock/m2' }))
    assert.equal(textOf(second), 'model: m2')
    const found = (await provider.sessions?.(stage.cwd, never)) ?? []
    assert.equal(found.length, 2)
    const id = found[0]?.id ?? ''
    assert.deepEqual(provider.handoff?.(id, stage.cwd), [realOpencode.command[0], '-s', id])
  },
)

test('a session that opencode does not have begins anew, with a notice', skip, async () => {
  await using stage = await opencodeStage()
  const events = await all(
    stage.open(),
    stage.turn('a', 'history', { resume: 'ses_0000000000000000000000gone' }),
  )
  assert.match(noticesOf(events).join(), /no longer has the earlier conversation/)
  assert.equal(textOf(events), 'prompts: 1')
})

test('a change of a file is shown, and is written once it is allowed', skip, async () => {
  await using stage = await opencodeStage()
  const provider = stage.open()
  const turn = stage.turn('a', `write ${stage.path('a.txt')} hello`)
  const events = []
  for await (const event of provider.run(turn, never)) {
    events.push(event)
    if (event.type === 'permission.requested') provider.answer?.(turn.id, event.id, { allow: true })
  }
  const asked = events.find((event) => event.type === 'permission.requested')
  assert.match(asked?.detail ?? '', /a\.txt[\s\S]*^\+hello$/m)
  assert.equal(events.findLast((event) => event.type === 'tool')?.status, 'completed')
  assert.equal(endOf(events).stop, 'end_turn')
})

function all(provider: Provider, turn: Turn): Promise<readonly TurnEvent[]> {
  return Array.fromAsync(provider.run(turn, never))
}

function noticesOf(events: readonly TurnEvent[]): readonly string[] {
  return events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
}
