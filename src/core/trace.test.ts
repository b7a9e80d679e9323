import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { breathe, message, place, press, setStage, shows, type Stage } from '../../tests/support/stage.ts'
import type { Message } from './message.ts'

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-trace-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'ductor.db')
}

/** The life of a message, a line an event. */
function life({ store }: Stage, { messageId }: Message): string {
  return store
    .trace(`${place.key}/${messageId}`)
    .map(({ event, detail }) => (detail === undefined ? event : `${event}: ${detail}`))
    .join('\n')
}

function redactionOf({ id, messageId, sender, sentAt, group, addressed }: Message) {
  const base = { id, messageId, place, sender, sentAt, group, addressed }
  return { ...base, id: `gone-${base.id}`, kind: 'redaction' as const }
}

function editOf(edited: Message, text: string) {
  const { kind: _, ...base } = edited
  return { ...base, id: `edit-${base.id}-${text}`, kind: 'edit' as const, text }
}

test('the life of a command ends with what became of it', async () => {
  const stage = setStage()
  const status = message('/status')
  await stage.hear(status)
  await shows(stage, /^Nothing is running/)
  await eventually(() => /carried out: status/.test(life(stage, status)))
})

test('what an agent asked, and what was answered, is a part of the life of its message', async () => {
  const stage = setStage()
  stage.provider.script = () => [
    { type: 'permission.requested', id: 'p', title: 'Run a command', detail: 'secret words' },
    () => eventually(() => stage.provider.answers.length > 0),
    { type: 'turn.ended', stop: 'end_turn', text: 'done' },
  ]
  const go = message('go')
  await stage.hear(go)
  await eventually(() => stage.transport.token('Deny'))
  await stage.hear(press(stage, 'Deny'))
  await shows(stage, 'done')
  await eventually(() => /asked: Run a command[\s\S]*denied[\s\S]*turn ended/.test(life(stage, go)))
  assert.doesNotMatch(life(stage, go), /secret words/)
})

test('an edit and a redaction that came too late are told, and which message they meant', async () => {
  const stage = setStage()
  const hello = message('hello')
  await stage.hear(hello)
  await shows(stage, 'echo hello')
  await stage.hear(editOf(hello, 'goodbye'), redactionOf(hello))
  assert.match(life(stage, hello), /edited too late[\s\S]*taken back too late/)
})

test('what was held back is edited and taken back like all that waits', async () => {
  const stage = setStage()
  const old = Date.now() - 24 * 3600_000
  const [one, two] = [message('one', { sentAt: old }), message('two', { sentAt: old })]
  await stage.hear(one, two)
  await eventually(() => stage.transport.token('Run'))
  await stage.hear(editOf(one, 'one, but better'), redactionOf(two))
  await stage.hear(press(stage, 'Run'))
  await shows(stage, 'echo one, but better')
  await breathe()
  assert.equal(stage.provider.turns.length, 1)
  assert.match(life(stage, two), /held back[\s\S]*taken back while it waited/)
})

/** A turn is cut off by the end of ductor; `after` has begun anew. */
async function cutOff(t: TestContext) {
  const path = file(t)
  const before = setStage({ path })
  before.provider.script = () => [{ type: 'text', delta: 'begun' }, () => new Promise(() => {})]
  const go = message('go')
  await before.hear(go)
  await shows(before, 'begun')
  before.kill()
  const after = setStage({ path })
  after.gateway.start()
  return { go, after }
}

test('what was cut off and then taken back is not run again', async (t) => {
  const { go, after } = await cutOff(t)
  await eventually(() => after.transport.token('Run again'))
  await after.hear(redactionOf(go))
  await after.hear(press(after, 'Run again'))
  await shows(after, /The message is not there any more/)
  assert.equal(after.provider.turns.length, 0)
  assert.match(life(after, go), /cut off[\s\S]*taken back/)
})

for (const [label, told] of [
  ['Run again', /cut off[\s\S]*run again: by choice[\s\S]*turn started/],
  ['Drop', /cut off[\s\S]*cancelled: by choice/],
] as const)
  test(`“${label}” after a restart is a part of the life of the message`, async (t) => {
    const { go, after } = await cutOff(t)
    await eventually(() => after.transport.token(label))
    await after.hear(press(after, label))
    await eventually(() => told.test(life(after, go)))
  })
