import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { message, place, setStage, shows } from '../../tests/support/stage.ts'
import type { PermissionMode } from '../core/provider.ts'
import { UserError } from '../core/user-error.ts'
import { AgentTransport, usualPatienceMs, type Answer, type Asker, type Origin } from './agent-transport.ts'

const origin: Origin = { agent: 'main', place, strand: '' }
const from: Asker = { ...origin, atMost: 'bypassPermissions' }

/** An agent that others can ask, and what was brought to them later. */
function askable(
  t: TestContext,
  {
    patienceMs,
    path,
    permissionMode = 'ask',
  }: { readonly patienceMs?: number; readonly path?: string; readonly permissionMode?: PermissionMode } = {},
) {
  let runs = true
  const brought: [Origin, Answer][] = []
  const transport = new AgentTransport({
    memory: {
      recall: (key) => stage.store.recall('agent', key),
      list: (prefix) => stage.store.list('agent', prefix),
      remember: (entries) => stage.store.remember('agent', entries),
    },
    bring: async (...what) => {
      if (runs) brought.push(what)
      return runs
    },
    ...(patienceMs === undefined ? {} : { patienceMs }),
  })
  const settings = { permissionMode }
  const stage = setStage({
    settings,
    moreTransports: [['agent', transport]],
    ...(path === undefined ? {} : { path }),
  })
  const end = new AbortController()
  t.after(() => end.abort())
  void transport.listen(stage.gateway.intake('agent', end.signal), end.signal)
  return {
    transport,
    stage,
    brought,
    signal: end.signal,
    end: () => end.abort(),
    /** Does the one who asked run? */
    setRunning: (now: boolean) => {
      runs = now
    },
  }
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
  assert.deepEqual(brought[0]?.[0], origin)
  assert.equal(brought[0]?.[1].text, 'echo look around')
})

test('whoever has waited long enough goes on, and is brought the answer later', async (t) => {
  const { transport, stage, brought, signal } = askable(t, { patienceMs: 10 })
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

test('whoever waits goes on before their CLI gives the tool up, after a minute', () => {
  assert.ok(usualPatienceMs <= 50_000)
})

test('what an agent is asked may not change anything where only a person could give leave', async (t) => {
  const { transport, stage, signal } = askable(t)
  await transport.ask(from, 'rm -rf', true, signal)
  assert.equal(stage.provider.turns[0]?.permissionMode, 'readOnly')
})

for (const [own, asker, both] of [
  ['bypassPermissions', 'readOnly', 'readOnly'],
  ['bypassPermissions', 'ask', 'readOnly'],
  ['bypassPermissions', 'acceptEdits', 'acceptEdits'],
  ['acceptEdits', 'bypassPermissions', 'acceptEdits'],
  ['bypassPermissions', 'bypassPermissions', 'bypassPermissions'],
] as const)
  test(`asked by an agent with ${asker}, one with ${own} has ${both}: nobody gets more leave by asking`, async (t) => {
    const { transport, stage, signal } = askable(t, { permissionMode: own })
    await transport.ask({ ...origin, atMost: asker }, 'rm -rf', true, signal)
    assert.equal(stage.provider.turns[0]?.permissionMode, both)
  })

test('an answer that is brought goes on with the conversation that asked, once', async (t) => {
  const { stage } = askable(t)
  const answer = { id: '1', text: '@coder says: it is done' }
  await stage.gateway.hearAnswer(place, '', answer)
  await stage.gateway.hearAnswer(place, '', answer)
  await shows(stage, 'echo @coder says: it is done')
  assert.equal(stage.provider.turns.length, 1)
})

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-ask-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'ductor.db')
}

test('whoever was promised an answer is told when ductor ended in the middle of it', async (t) => {
  const path = file(t)
  const before = askable(t, { path })
  before.stage.provider.script = () => [{ type: 'text', delta: 'well' }, () => new Promise(() => {})]
  await before.transport.ask(from, 'look around', false, before.signal)
  await eventually(() => before.stage.provider.turns.length === 1)
  before.stage.kill()
  const after = askable(t, { path })
  after.stage.gateway.start()
  await eventually(() => after.brought.length === 1)
  assert.deepEqual(after.brought[0]?.[0], origin)
  assert.match(after.brought[0]?.[1].text ?? '', /restarted in the middle/)
  assert.equal(after.stage.provider.turns.length, 0, 'it is not run again by itself')
})

test('whoever waited when ductor ended is brought nothing: their own turn was cut off, and a person decides', async (t) => {
  const path = file(t)
  const before = askable(t, { path })
  before.stage.provider.script = () => [{ type: 'text', delta: 'well' }, () => new Promise(() => {})]
  void before.transport.ask(from, 'look around', true, before.signal)
  await eventually(() => before.stage.provider.turns.length === 1)
  before.stage.kill()
  const after = askable(t, { path })
  after.stage.gateway.start()
  await eventually(() => after.stage.store.countPublications('settled') === 1)
  assert.deepEqual(after.brought, [])
})

test('whoever was promised an answer is told when the question had to be set aside', async (t) => {
  const { transport, stage, brought, signal } = askable(t)
  stage.store.startTurn = () => {
    throw new Error('a fault of ours')
  }
  await transport.ask(from, 'look around', false, signal)
  await eventually(() => brought.length === 1)
  assert.match(brought[0]?.[1].text ?? '', /set aside/)
})

test('a question that waited for long is answered: there is nobody who could be asked about it', async (t) => {
  const path = file(t)
  const before = askable(t, { path })
  before.stage.store.countAttempt = () => {
    throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
  }
  await before.transport.ask(from, 'look around', false, before.signal)
  before.stage.kill()
  const after = askable(t, { path })
  after.stage.gateway.now = () => Date.now() + 30 * 24 * 3600_000
  after.stage.gateway.start()
  await eventually(() => after.brought.length === 1)
  assert.equal(after.brought[0]?.[1].text, 'echo look around')
})

test('an answer waits for an agent that does not run now', async (t) => {
  const { transport, stage, brought, signal, setRunning } = askable(t)
  setRunning(false)
  await transport.ask(from, 'look around', false, signal)
  await eventually(() => stage.store.countInbox('done') === 1)
  await eventually(() => stage.store.countPublications('final') === 1)
  setRunning(true)
  stage.outbox.wake('agent')
  await eventually(() => brought.length === 1)
  assert.equal(brought[0]?.[1].text, 'echo look around')
})

test('an agent that is stopping takes no question, and says so', async (t) => {
  const { transport, signal, end } = askable(t)
  end()
  await eventually(() =>
    transport.ask(from, 'look around', false, signal).then(
      () => false,
      (error: unknown) => error instanceof UserError,
    ),
  )
})

test('no question is a command: “stop” is asked like any other, and what else is asked goes on', async (t) => {
  const { transport, stage, signal } = askable(t)
  const gate = Promise.withResolvers<void>()
  stage.provider.script = ({ prompt }) => [
    () => gate.promise,
    { type: 'turn.ended', stop: 'end_turn', text: `answer to ${prompt}` },
  ]
  const first = transport.ask(from, 'look around', true, signal)
  await eventually(() => stage.provider.turns.length === 1)
  const second = transport.ask({ ...from, strand: 'docs' }, 'stop', true, signal)
  await eventually(() => stage.store.countInbox('queued') === 1)
  gate.resolve()
  assert.deepEqual(await Promise.all([first, second]), ['answer to look around', 'answer to stop'])
})

test('an empty question is refused, instead of being waited for', async (t) => {
  const { transport, signal } = askable(t, { patienceMs: 10 })
  await assert.rejects(transport.ask(from, ' \n', true, signal), UserError)
})

test('files of an answer are named to whoever asked', async (t) => {
  const { transport, stage, signal } = askable(t)
  stage.provider.script = () => [
    { type: 'turn.ended', stop: 'end_turn', text: `Here it is. <file:${import.meta.filename}>` },
  ]
  const answer = await transport.ask(from, 'the report, please', true, signal)
  assert.equal(answer, `Here it is.\n\n(a file: ${import.meta.filename})`)
})

test('two agents do not keep each other busy for ever: after ten answers in a row a person has to write', async (t) => {
  const { stage } = askable(t)
  for (let count = 1; count <= 10; count += 1) {
    stage.gateway.allowQuestion(place, '')
    await stage.gateway.hearAnswer(place, '', { id: String(count), text: `answer ${count}` })
    await shows(stage, `echo answer ${count}`)
  }
  assert.throws(() => stage.gateway.allowQuestion(place, ''), UserError)
  stage.gateway.allowQuestion(place, 'docs')
  await stage.hear(message('go on'))
  await shows(stage, 'echo go on')
  stage.gateway.allowQuestion(place, '')
})
