import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { eventually } from '../../tests/support/eventually.ts'
import { breathe, message, place, press, setStage, shows, untilAborted } from '../../tests/support/stage.ts'
import { DeliveryError } from './transport.ts'

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-gateway-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'ductor.db')
}

test('a message is answered, and the same event again does nothing', async () => {
  const stage = setStage()
  const hello = message('hello')
  await stage.hear(hello)
  await stage.hear(hello)
  await shows(stage, 'echo hello')
  await eventually(() => stage.store.countInbox('done') === 1)
  assert.equal(stage.provider.turns.length, 1)
})

test('turns of one place run one after another, in order, and each waiting message is told so', async () => {
  const stage = setStage()
  const gate = Promise.withResolvers<void>()
  stage.provider.script = ({ prompt }) => [
    () => (prompt === 'one' ? gate.promise : Promise.resolve()),
    { type: 'text', delta: `did ${prompt}` },
    { type: 'turn.ended', stop: 'end_turn' },
  ]
  await stage.hear(message('one'))
  await stage.hear(message('two'), message('three'))
  await shows(stage, 'Waiting for the running turn.')
  await shows(stage, 'Waiting: 2 turns are before this one.')
  assert.equal(stage.provider.turns.length, 1)
  gate.resolve()
  await eventually(() => stage.store.countInbox('done') === 3)
  assert.deepEqual(
    stage.provider.turns.map(({ prompt }) => prompt),
    ['one', 'two', 'three'],
  )
  await eventually(() => stage.transport.texts.join() === 'did one,did two,did three', 'the notices go')
})

test('different places run side by side', async () => {
  const stage = setStage()
  stage.provider.script = (_turn, signal) => [() => untilAborted(signal)]
  await stage.hear(message('a'), message('b', { place: { ...place, key: 'tg:2', chat: '2' } }))
  await eventually(() => stage.provider.turns.length === 2)
  await stage.gateway.close(0)
})

test('Cancel drops a waiting message and nothing else', async () => {
  const stage = setStage()
  const gate = Promise.withResolvers<void>()
  stage.provider.script = () => [() => gate.promise, { type: 'turn.ended', stop: 'end_turn', text: 'done' }]
  await stage.hear(message('one'))
  await stage.hear(message('two'))
  await eventually(() => stage.transport.token('Cancel'))
  await stage.hear(press(stage, 'Cancel'))
  await eventually(() => stage.store.countInbox('cancelled') === 1)
  gate.resolve()
  await shows(stage, 'done')
  assert.equal(stage.provider.turns.length, 1)
})

test('strangers get silence, and of what they wrote nothing is kept but the reason', async () => {
  const stage = setStage()
  await stage.hear(message('let me in', { sender: { id: 'stranger' } }))
  await breathe()
  assert.equal(stage.provider.turns.length, 0)
  assert.deepEqual(stage.transport.operations, [])
  const [row] = stage.store.inboundsIn('refused')
  assert.equal(row?.inbound.kind === 'message' && row.inbound.text, '')
})

test('a stranger cannot press a choice', async () => {
  const stage = setStage()
  stage.provider.script = () => [
    { type: 'permission.requested', id: 'p', title: 'Run a command', detail: 'rm -rf /' },
    () => new Promise(() => {}),
  ]
  await stage.hear(message('clean up'))
  await eventually(() => stage.transport.token('Allow'))
  await stage.hear({ ...press(stage, 'Allow'), sender: { id: 'stranger' } })
  await breathe()
  assert.deepEqual(stage.provider.answers, [])
  await stage.hear(press(stage, 'Deny'))
  await eventually(() => stage.provider.answers.length === 1)
  assert.deepEqual(stage.provider.answers, [['p', { allow: false, remember: false }]])
})

test('/stop ends the turn, drops what waits, and says so; the next message works', async () => {
  const stage = setStage()
  stage.provider.script = ({ prompt }, signal) =>
    prompt === 'long'
      ? [{ type: 'text', delta: 'begun' }, () => untilAborted(signal)]
      : [{ type: 'turn.ended', stop: 'end_turn', text: `did ${prompt}` }]
  await stage.hear(message('long'))
  await shows(stage, 'begun')
  await stage.hear(message('waits'))
  await stage.hear(message('/stop'))
  await shows(stage, 'Stopped. 1 waiting message dropped.')
  await stage.hear(message('next'))
  await shows(stage, 'did next')
  await stage.hear(message('/stop'))
  await shows(stage, 'Nothing is running.')
})

test('help names each command by its group, those of the network too', async () => {
  const stage = setStage()
  stage.transport.ownCommands = [{ name: 'verify', summary: 'make sure of me' }]
  await stage.hear(message('/help'))
  await eventually(() => stage.transport.texts.length > 0)
  const groups = stage.transport.texts.join().split('\n\n')
  assert.match(groups.find((group) => group.startsWith('This conversation')) ?? '', /^\/stop/m)
  assert.match(
    groups.find((group) => group.startsWith('ductor itself')) ?? '',
    /^\/verify – make sure of me$/m,
  )
})

test('an unknown command is a prompt', async () => {
  const stage = setStage()
  await stage.hear(message('/etc/passwd is what?'))
  await shows(stage, 'echo /etc/passwd is what?')
})

test('what was forwarded commands nothing: it is a prompt, also where it says /stop', async () => {
  const stage = setStage()
  const gate = Promise.withResolvers<void>()
  stage.provider.script = () => [() => gate.promise, { type: 'turn.ended', stop: 'end_turn', text: 'done' }]
  await stage.hear(message('work'))
  await eventually(() => stage.provider.turns.length === 1)
  const others = ['/stop', 'stop', '/new']
  await stage.hear(...others.map((text) => message(text, { forwardedFrom: 'Eve' })))
  gate.resolve()
  await eventually(() => stage.store.countInbox('done') === 4)
  assert.deepEqual(
    stage.provider.turns.map(({ prompt }) => prompt),
    ['work', ...others.map((text) => `(forwarded from “Eve”)\n${text}`)],
  )
})

test('/new begins a new session; without it the session goes on', async () => {
  const stage = setStage()
  stage.provider.script = (turn) => [
    { type: 'session.started', sessionId: turn.resume ?? `s${stage.provider.turns.length}` },
    { type: 'turn.ended', stop: 'end_turn', text: `in ${turn.resume ?? 'new'}` },
  ]
  await stage.hear(message('a'))
  await shows(stage, 'in new')
  await stage.hear(message('b'))
  await shows(stage, 'in s1')
  await stage.hear(message('/new'), message('c'))
  await eventually(() => stage.provider.turns.length === 3)
  assert.equal(stage.provider.turns[2]?.resume, undefined)
})

test('a turn that was cut off is asked about, never run again by itself', async (t) => {
  const path = file(t)
  const before = setStage({ path })
  before.provider.script = () => [{ type: 'session.started', sessionId: 's' }, () => new Promise(() => {})]
  await before.hear(message('deploy it'))
  await before.hear(message('and then this'))
  await eventually(() => before.provider.turns.length === 1 && before.store.session('tg:1', '', 'scripted'))
  before.kill()

  const after = setStage({ path, transport: before.transport })
  after.gateway.start()
  await shows(after, 'echo and then this')
  assert.deepEqual(
    after.provider.turns.map(({ prompt }) => prompt),
    ['and then this'],
  )
  assert.ok(
    after.transport.token('Continue') && after.transport.token('Run again') && after.transport.token('Drop'),
  )
  await after.hear(press(after, 'Run again'))
  await shows(after, 'echo deploy it')
  after.gateway.start()
  await breathe()
  assert.equal(after.provider.turns.length, 2)
  assert.equal(after.transport.token('Run again'), undefined, 'answered once')
})

test('Continue resumes the session and says what happened', async (t) => {
  const path = file(t)
  const before = setStage({ path })
  before.provider.script = () => [{ type: 'session.started', sessionId: 's' }, () => new Promise(() => {})]
  await before.hear(message('deploy it'))
  await eventually(() => before.store.session('tg:1', '', 'scripted'))
  before.kill()
  const after = setStage({ path, transport: before.transport })
  after.gateway.start()
  await eventually(() => after.transport.token('Continue'))
  await after.hear(press(after, 'Continue'))
  await eventually(() => after.provider.turns.length === 1)
  assert.equal(after.provider.turns[0]?.resume, 's')
  assert.match(after.provider.turns[0]?.prompt ?? '', /interrupted by a restart/)
})

test('what waited is run after a restart; what waited too long is named with a choice to run it', async (t) => {
  const path = file(t)
  const before = setStage({ path })
  before.store.addInbound(message('fresh'), 'queued')
  before.store.addInbound(message('old', { sentAt: Date.now() - 2 * 3600_000 }), 'queued')
  before.kill()
  const after = setStage({ path })
  after.gateway.start()
  await after.hear(message('older', { sentAt: Date.now() - 3 * 3600_000 }))
  await shows(after, 'echo fresh')
  await shows(after, 'While I was away, 2 messages arrived:\n• old\n• older')
  await after.hear(press(after, 'Run'))
  await shows(after, 'echo older')
  assert.deepEqual(
    after.provider.turns.map(({ prompt }) => prompt),
    ['fresh', 'old', 'older'],
  )
})

test('an answer that was stored but not sent is sent after a restart, once', async (t) => {
  const path = file(t)
  const before = setStage({ path })
  before.transport.before = () => {
    throw new DeliveryError('unreachable', 'the network is down')
  }
  await before.hear(message('hello'))
  await eventually(() => before.store.countPublications('final') === 1)
  before.kill()
  const after = setStage({ path })
  after.gateway.start()
  await shows(after, 'echo hello')
  await eventually(() => after.store.countPublications('settled') === 1)
  assert.equal(after.provider.turns.length, 0)
})

test('a provider that throws ends the turn with a true message, and the next one works', async () => {
  const stage = setStage()
  stage.provider.script = ({ prompt }) => {
    if (prompt === 'bad') throw new Error('a bug')
    return [{ type: 'turn.ended', stop: 'end_turn', text: 'fine' }]
  }
  await stage.hear(message('bad'), message('good'))
  await shows(stage, 'fine')
  assert.match(stage.transport.texts[0] ?? '', /ductor itself failed/)
})

test('an edit replaces what waits and a redaction drops it; a running turn is left alone', async () => {
  const stage = setStage()
  const gate = Promise.withResolvers<void>()
  stage.provider.script = ({ prompt }) => [
    () => gate.promise,
    { type: 'turn.ended', stop: 'end_turn', text: prompt },
  ]
  const [one, two, three] = [message('one'), message('two'), message('three')]
  await stage.hear(one, two, three)
  const { text: _, ...bare } = message('')
  await stage.hear({ ...bare, kind: 'edit', messageId: two.messageId, text: 'two, better' })
  await stage.hear({ ...bare, id: 'red', kind: 'redaction', messageId: three.messageId })
  gate.resolve()
  await shows(stage, 'two, better')
  await eventually(() => stage.store.countInbox('queued') === 0)
  assert.deepEqual(
    stage.provider.turns.map(({ prompt }) => prompt),
    ['one', 'two, better'],
  )
})

test('a redaction that does not tell the thread finds what waits in it, and only in its own chat', async () => {
  const stage = setStage()
  const gate = Promise.withResolvers<void>()
  stage.provider.script = ({ prompt }) => [
    () => gate.promise,
    { type: 'turn.ended', stop: 'end_turn', text: prompt },
  ]
  const thread = { ...place, key: `${place.key}:7`, thread: '7' }
  const running = message('running', { place: thread })
  const waiting = message('waiting', { place: thread })
  await stage.hear(running, waiting)
  await eventually(() => stage.store.countInbox('queued') === 1)
  const { text: _, ...bare } = message('')
  const redaction = { ...bare, kind: 'redaction', messageId: waiting.messageId } as const
  await stage.hear({ ...redaction, id: 'elsewhere', place: { ...place, key: 'tg:2', chat: '2' } })
  assert.equal(stage.store.countInbox('queued'), 1)
  await stage.hear({ ...redaction, id: 'here' })
  assert.equal(stage.store.countInbox('queued'), 0)
  await eventually(() => !stage.transport.texts.some((text) => /Waiting/.test(text)), 'the end of its notice')
  gate.resolve()
  await shows(stage, 'running')
  assert.equal(stage.provider.turns.length, 1)
})

test('a restart that was asked for is made once, also where the process ends before it has answered', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'ductor-gateway-')), 'ductor.db')
  t.after(() => rmSync(dirname(path), { recursive: true }))
  let restarts = 0
  const before = setStage({
    path,
    restart: async () => {
      restarts += 1
      before.kill()
      return true
    },
  })
  // What it would write from now on finds no store.
  await before.hear(message('/restart')).catch(() => {})
  await eventually(() => restarts === 1)
  const after = setStage({ path, restart: async () => Boolean((restarts += 1)) })
  after.gateway.start()
  await shows(after, 'I have begun anew since then.')
  assert.equal(restarts, 1)
})
