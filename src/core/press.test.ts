import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { message, PaperTransport, press, setStage, shows } from '../../tests/support/stage.ts'
import type { Press } from './message.ts'

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-press-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'ductor.db')
}

/** Choices are typed here. */
function typing(): PaperTransport {
  return Object.assign(new PaperTransport(), { choices: 'typed' as const })
}

const full = () => Object.assign(new Error('database or disk is full'), { errcode: 13 })

test('a number that was typed before a restart is no answer to what was asked after it', async (t) => {
  const path = file(t)
  const before = setStage({ path, transport: typing() })
  before.provider.script = () => [
    { type: 'permission.requested', id: 'p', title: 'Run a command', detail: 'make' },
    () => new Promise(() => {}),
  ]
  await before.hear(message('go'))
  await shows(before, /Run a command/)
  before.store.countAttempt = () => {
    throw full()
  }
  await before.hear(message('1'))
  before.kill()
  const after = setStage({ path, transport: typing() })
  after.gateway.start()
  await shows(after, 'echo 1')
  assert.equal(after.provider.turns.length, 1)
  assert.ok(after.transport.token('Continue'), 'nobody has chosen that')
})

for (const how of ['pressed', 'typed'] as const)
  test(`what a button of the agent says is not lost when ductor is killed right after it was ${how}`, async (t) => {
    const path = file(t)
    const before = setStage({ path, transport: typing() })
    before.provider.script = () => [
      { type: 'text', delta: 'Shall I deploy? [button:Yes]' },
      { type: 'turn.ended', stop: 'end_turn' },
    ]
    await before.hear(message('go'))
    await eventually(() => before.transport.token('Yes'))
    const add = before.store.addInbound.bind(before.store)
    const tried = Promise.withResolvers<void>()
    before.store.addInbound = (inbound, ...more) => {
      if (!inbound.id.startsWith('button/')) return add(inbound, ...more)
      tried.resolve()
      throw full()
    }
    await before.hear(how === 'typed' ? message('1') : press(before, 'Yes'))
    await tried.promise
    before.kill()
    const after = setStage({ path, transport: before.transport })
    after.gateway.start()
    await shows(after, 'echo Yes')
    await shows(after, /→ Yes/)
    assert.equal(after.provider.turns.length, 1)
  })

test('a number that has chosen is no prompt when ductor is killed before that is written down', async (t) => {
  const path = file(t)
  const before = setStage({ path, transport: typing() })
  before.provider.script = () => [
    { type: 'text', delta: 'Shall I deploy? [button:Yes]' },
    { type: 'turn.ended', stop: 'end_turn' },
  ]
  await before.hear(message('go'))
  await eventually(() => before.transport.token('Yes'))
  const setInboxState = before.store.setInboxState.bind(before.store)
  const note = before.store.note.bind(before.store)
  const tried = Promise.withResolvers<void>()
  let chosen = false
  before.store.note = (whose, event, detail) => {
    if (event === 'queued') chosen = true
    note(whose, event, detail)
  }
  before.store.setInboxState = (seq, state, turn) => {
    if (state !== 'done' || !chosen) return setInboxState(seq, state, turn)
    tried.resolve()
    throw full()
  }
  before.provider.script = () => [() => new Promise(() => {})]
  await before.hear(message('1'))
  await tried.promise
  before.kill()
  const after = setStage({ path, transport: before.transport })
  after.gateway.start()
  await shows(after, 'echo Yes')
  await eventually(() => after.store.countInbox('pending') + after.store.countInbox('queued') === 0)
  assert.equal(after.provider.turns.length, 1)
})

test('a number on a message that offers anew means what it offers now', async () => {
  const stage = setStage()
  stage.provider.script = () => [
    {
      type: 'question.asked',
      id: 'q',
      questions: [
        { text: 'Which fruits?', multiple: true, options: [{ label: 'Apple' }, { label: 'Pear' }] },
      ],
    },
    () => eventually(() => stage.provider.answers.length > 0),
    { type: 'turn.ended', stop: 'end_turn', text: 'done' },
  ]
  await stage.hear(message('go'))
  await eventually(() => stage.transport.token('☐ Apple'))
  const messageId = stage.transport.sheets.find(({ text }) => text.startsWith('Which'))?.ref ?? ''
  const { messageId: _, text: __, ...base } = message('')
  const number = (count: number): Press => ({
    ...base,
    id: `number-${count}`,
    kind: 'press',
    pressed: { messageId, number: count },
  })
  await stage.hear(number(1))
  await eventually(() => stage.transport.token('☑ Apple'))
  await stage.hear(number(2))
  await eventually(() => stage.transport.token('☑ Pear'))
  await stage.hear(number(3))
  await shows(stage, 'done')
  assert.deepEqual(stage.provider.answers, [['q', [['Apple', 'Pear']]]])
})
