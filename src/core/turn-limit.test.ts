import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { message, place, press, setStage, shows, type Stage } from '../../tests/support/stage.ts'
import type { Place } from './message.ts'

const chat = (n: number): Place => ({ ...place, key: `tg:${n}`, chat: String(n) })
const said = (n: number, text: string) => message(text, { place: chat(n) })

/** Two turns at once; each ends when `end` is called with its prompt. */
function crowded(more: Parameters<typeof setStage>[0] = {}) {
  const stage = setStage({ settings: { mostTurns: 2 }, ...more })
  const ends = new Map<string, () => void>()
  stage.provider.script = ({ prompt }, signal) => [
    () =>
      new Promise<void>((resolve) => {
        ends.set(prompt, resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      }),
    { type: 'text', delta: `did ${prompt}` },
    { type: 'turn.ended', stop: signal.aborted ? 'cancelled' : 'end_turn' },
  ]
  return { stage, end: (prompt: string) => ends.get(prompt)?.() }
}

const begun = ({ provider }: Stage) => provider.turns.map(({ prompt }) => prompt)

test('turns beyond the limit wait, are told so, and begin in the order in which they came', async () => {
  const { stage, end } = crowded()
  for (const [n, text] of ['one', 'two', 'three', 'four'].entries()) await stage.hear(said(n, text))
  await eventually(
    () => stage.transport.texts.filter((text) => text.startsWith('Waiting: as many')).length === 2,
  )
  assert.deepEqual(begun(stage), ['one', 'two'])
  await stage.hear(said(2, '/status'))
  await shows(stage, /^Nothing is running here: as many turns run elsewhere/)
  end('two')
  await eventually(() => begun(stage).length === 3)
  end('three')
  await shows(stage, 'did three')
  assert.deepEqual(begun(stage), ['one', 'two', 'three', 'four'])
  end('one')
  end('four')
  await shows(stage, 'did four')
  assert.deepEqual(
    stage.transport.texts.filter((text) => text.startsWith('Waiting')),
    [],
  )
})

test('a turn that waits for a person holds nobody up', async () => {
  const { stage, end } = crowded({ settings: { mostTurns: 1 } })
  const script = stage.provider.script
  stage.provider.script = (turn, signal) =>
    turn.prompt === 'careful'
      ? [
          { type: 'permission.requested', id: 'p', title: 'May I?', detail: 'rm -r build' },
          ...script(turn, signal),
        ]
      : script(turn, signal)
  await stage.hear(said(1, 'careful'))
  await shows(stage, /May I\?/)
  await stage.hear(said(2, 'quick'))
  await eventually(() => begun(stage).includes('quick'))
  end('quick')
  await shows(stage, 'did quick')
  await stage.gateway.close(0)
})

test('what waits for room is dropped by its button, by /stop and by the word', async () => {
  for (const how of ['button', '/stop', 'stop']) {
    const { stage, end } = crowded({ settings: { mostTurns: 1 } })
    await stage.hear(said(1, 'one'))
    await eventually(() => begun(stage).length === 1)
    await stage.hear(said(2, 'two'))
    await shows(stage, /^Waiting: as many/)
    await stage.hear(how === 'button' ? { ...press(stage, 'Cancel'), place: chat(2) } : said(2, how))
    await eventually(() => stage.store.countInbox('queued') === 0)
    await stage.hear(said(3, 'three'))
    end('one')
    await eventually(() => begun(stage).includes('three'))
    assert.deepEqual(begun(stage), ['one', 'three'])
    end('three')
    await shows(stage, 'did three')
  }
})

test('a limit that is raised lets the next ones in, and closing waits for nobody that waits', async () => {
  const settings = { mostTurns: 1 }
  const { stage, end } = crowded({ settings })
  for (const [n, text] of ['one', 'two', 'three', 'four'].entries()) await stage.hear(said(n, text))
  await eventually(() => begun(stage).length === 1)
  settings.mostTurns = 3
  end('one')
  await eventually(() => begun(stage).length === 4)
  settings.mostTurns = 1
  await stage.hear(said(5, 'five'))
  await shows(stage, /^Waiting: as many/)
  await stage.gateway.close(0)
  assert.equal(stage.store.countInbox('queued'), 1)
  assert.deepEqual(begun(stage).includes('five'), false)
})
