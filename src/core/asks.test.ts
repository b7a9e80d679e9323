import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import {
  breathe,
  message,
  PaperTransport,
  place,
  press,
  setStage,
  shows,
  type Stage,
} from '../../tests/support/stage.ts'
import type { TurnEvent } from './provider.ts'
import { DeliveryError } from './transport.ts'

/** A turn that asks this, and ends when it was answered. */
function asking(stage: Stage, event: TurnEvent): void {
  const answered = () => eventually(() => stage.provider.answers.length > 0)
  stage.provider.script = ({ prompt }) =>
    prompt === 'go' ? [event, answered, { type: 'turn.ended', stop: 'end_turn', text: 'done' }] : []
}

const permission: Extract<TurnEvent, { type: 'permission.requested' }> = {
  type: 'permission.requested',
  id: 'p',
  title: 'Run a command',
  detail: 'rm -r build',
  language: 'sh',
}

const question: TurnEvent = {
  type: 'question.asked',
  id: 'q',
  questions: [
    {
      text: 'Which colour?',
      multiple: false,
      options: [{ label: 'Red', description: 'like a rose' }, { label: 'Blue' }],
    },
    { text: 'Which fruits?', multiple: true, options: [{ label: 'Apple' }, { label: 'Pear' }] },
  ],
}

test('who writes on while a question is open is told that the turn waits for its answer', async () => {
  const stage = setStage()
  asking(stage, permission)
  await stage.hear(message('go'))
  await eventually(() => stage.transport.token('Allow'))
  await stage.hear(message('hello?'))
  await shows(stage, 'Waiting for the running turn, which waits for an answer to its question above.')
  await stage.hear(press(stage, 'Allow'))
  await shows(stage, 'done')
})

test('a denial can have a reason: the next message of the one who pressed is it, and no prompt', async () => {
  const stage = setStage()
  asking(stage, permission)
  await stage.hear(message('go'))
  await eventually(() => stage.transport.token('Deny and say why'))
  await stage.hear(press(stage, 'Deny and say why'))
  await shows(stage, /Write the reason/)
  await stage.hear(message('use make clean'))
  await shows(stage, 'done')
  assert.deepEqual(stage.provider.answers, [['p', { allow: false, reason: 'use make clean' }]])
  assert.equal(stage.provider.turns.length, 1)
  await shows(stage, /Denied: use make clean/)
})

test('a request that nobody answers is denied in the end, and says so', async () => {
  const stage = setStage({ settings: { permissionTimeoutMs: 50 } })
  asking(stage, permission)
  await stage.hear(message('go'))
  await shows(stage, 'done')
  const [[, answer] = []] = stage.provider.answers as [string, { allow: boolean }][]
  assert.equal(answer?.allow, false)
  await shows(stage, /Denied: no answer within/)
  assert.equal(stage.transport.token('Allow'), undefined)
})

test('where the CLI cannot remember, allowing for the session is not offered', async () => {
  const stage = setStage()
  asking(stage, { ...permission, rememberable: false })
  await stage.hear(message('go'))
  await eventually(() => stage.transport.token('Allow'))
  assert.equal(stage.transport.token('Allow for this session'), undefined)
  await stage.hear(press(stage, 'Allow'))
  await shows(stage, 'done')
})

test('questions are asked one after another, with one choice or several', async () => {
  const stage = setStage()
  asking(stage, question)
  await stage.hear(message('go'))
  await shows(stage, 'Which colour?\n• Red: like a rose')
  await stage.hear(press(stage, 'Blue'))
  await shows(stage, 'Which fruits?')
  await stage.hear(press(stage, '☐ Apple'))
  await eventually(() => stage.transport.token('☑ Apple'))
  await stage.hear(press(stage, '☐ Pear'))
  await eventually(() => stage.transport.token('☑ Pear'))
  await stage.hear(press(stage, 'Done'))
  await shows(stage, 'done')
  assert.deepEqual(stage.provider.answers, [['q', [['Blue'], ['Apple', 'Pear']]]])
})

test('a reply to a question is its answer, in the person’s own words', async () => {
  const stage = setStage()
  asking(stage, question)
  await stage.hear(message('go'))
  await shows(stage, /Which colour/)
  const sheet = stage.transport.sheets.find(({ text }) => text.includes('Which colour'))
  await stage.hear(message('Green', { replyTo: { messageId: sheet?.ref ?? '' } }))
  await shows(stage, 'Which fruits?')
  await stage.hear(press(stage, 'In my own words'))
  await shows(stage, /Write your answer as your next message/)
  await stage.hear(message('none, thank you'))
  await shows(stage, 'done')
  assert.deepEqual(stage.provider.answers, [['q', [['Green'], ['none, thank you']]]])
  assert.equal(stage.provider.turns.length, 1)
})

test('in a group somebody who was asked for words need not call the bot, and nobody else is listened to', async () => {
  const stage = setStage()
  stage.transport.policy = { ...stage.transport.policy, users: 'everyone', mentionOnly: true }
  asking(stage, question)
  await stage.hear(message('go', { group: true }))
  await eventually(() => stage.transport.token('In my own words'))
  await stage.hear({ ...press(stage, 'In my own words'), group: true })
  await shows(stage, /Write your answer/)
  await stage.hear(message('noise', { group: true, addressed: false, sender: { id: 'other' } }))
  await breathe()
  await stage.hear(message('Violet', { group: true, addressed: false }))
  await shows(stage, 'Which fruits?')
  await stage.hear({ ...press(stage, 'Done'), group: true })
  await shows(stage, 'done')
  assert.deepEqual(stage.provider.answers, [['q', [['Violet'], []]]])
})

test('when a turn ends, what it asked is void and says so', async () => {
  const stage = setStage()
  stage.provider.script = ({ prompt }, signal) =>
    prompt === 'go'
      ? [permission, () => new Promise((resolve) => signal.addEventListener('abort', resolve))]
      : []
  await stage.hear(message('go'))
  await eventually(() => stage.transport.token('Allow'))
  await stage.hear(message('/stop'))
  await shows(stage, /the turn has ended/)
  assert.equal(stage.transport.token('Allow'), undefined)
})

test('a turn that waits for nobody says so when an old button is pressed', async () => {
  const stage = setStage()
  stage.provider.script = () => [permission, () => new Promise(() => {})]
  await stage.hear(message('go'))
  await eventually(() => stage.transport.token('Allow'))
  stage.provider.answer = () => false
  await stage.hear(press(stage, 'Allow'))
  await shows(stage, /Nobody waits for that answer any more/)
})

for (const shown of [true, false])
  test(`a request that was ${shown ? '' : 'not yet '}shown when ductor was killed is void afterwards, with nothing to press`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ductor-asks-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'ductor.db')
    const before = setStage({ path })
    before.transport.before = () => {
      if (!shown) throw new DeliveryError('unreachable', 'the network is down')
    }
    before.provider.script = () => [permission, () => new Promise(() => {})]
    await before.hear(message('go'))
    await eventually(() => before.store.newestChoices(place.key, Date.now()).length > 0)
    if (shown) await eventually(() => before.transport.token('Allow'))
    before.kill()
    const after = setStage({ path, transport: shown ? before.transport : new PaperTransport() })
    after.gateway.start()
    await shows(after, /Run a command[\s\S]*void: ductor was restarted/)
    assert.equal(after.transport.token('Allow'), undefined)
    await eventually(() => after.transport.token('Run again'))
  })

const grant = { rule: '{"make":true}', says: 'make' }

/** In its session a turn asks for this leave; those that are not told “go” ask nothing. */
function askingInSession(stage: Stage, event: TurnEvent): void {
  const answered = () => eventually(() => stage.provider.answers.length > 0)
  const end: TurnEvent = { type: 'turn.ended', stop: 'end_turn', text: 'done' }
  stage.provider.script = ({ prompt }) => [
    { type: 'session.started', sessionId: 's' },
    ...(prompt === 'go' ? [event, answered] : []),
    end,
  ]
}

const lasting: TurnEvent = { ...permission, grant }

test('what is allowed for the session is handed to its next turn, after a restart too, and /new takes it back', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-asks-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ductor.db')
  const before = setStage({ path })
  askingInSession(before, lasting)
  await before.hear(message('go'))
  await eventually(() => before.transport.token('Allow for this session'))
  await before.hear(press(before, 'Allow for this session'))
  await shows(before, 'done')
  before.kill()
  const after = setStage({ path })
  after.gateway.start()
  await after.hear(message('/status'))
  await shows(after, /Allowed for this session .*: make/)
  await after.hear(message('again'))
  await eventually(() => after.provider.turns.length === 1)
  assert.deepEqual(after.provider.turns[0]?.grants, [grant])
  await after.hear(message('/new'))
  await shows(after, /A new conversation begins/)
  await after.hear(message('once more'))
  await eventually(() => after.provider.turns.length === 2)
  assert.equal(after.provider.turns[1]?.grants, undefined)
})

for (const label of ['Allow', 'Deny'])
  test(`“${label}” is for this once: nothing is handed on`, async () => {
    const stage = setStage()
    askingInSession(stage, lasting)
    await stage.hear(message('go'))
    await eventually(() => stage.transport.token(label))
    await stage.hear(press(stage, label))
    await shows(stage, 'done')
    await stage.hear(message('again'))
    await eventually(() => stage.provider.turns.length === 2)
    assert.equal(stage.provider.turns[1]?.grants, undefined)
  })

test('leave that nobody can keep is called what it is', async () => {
  const stage = setStage()
  askingInSession(stage, permission)
  await stage.hear(message('go'))
  await eventually(() => stage.transport.token('Allow for a while'))
  assert.equal(stage.transport.token('Allow for this session'), undefined)
})
