import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { silentLog } from '../../../tests/support/stage.ts'
import type { Turn, TurnEvent } from '../../core/provider.ts'
import { CodexProvider } from './provider.ts'
import type { Patience } from './running-turn.ts'

const patience: Patience = {
  startMs: 1000,
  interruptMs: 200,
  killMs: 200,
  retryMs: 60_000,
  silenceMs: 60_000,
}

/** An app server that does all that is asked of it, but for what `onTurn` makes of a turn. */
const server = (onTurn: string, more = '') => `
import { createInterface } from 'node:readline'
const threadId = 'thread-1'
let turns = 0
const raw = (text) => process.stdout.write(text)
const send = (message) => raw(JSON.stringify(message) + '\\n')
const tell = (method, params) => send({ method, params: { threadId, turnId: 'turn-' + turns, ...params } })
const item = (how, item) => tell('item/' + how, { item })
const say = (itemId, delta) => tell('item/agentMessage/delta', { itemId, delta })
const end = (status = 'completed', error = null) => tell('turn/completed', { turn: { id: 'turn-' + turns, status, error } })
const on = {
  initialize: () => ({}),
  'thread/start': () => ({ thread: { id: threadId } }),
  'thread/resume': ({ threadId: id }) => ({ thread: { id } }),
  'thread/backgroundTerminals/clean': () => ({}),
  'turn/interrupt': () => { setTimeout(end, 1, 'interrupted'); return {} },
  ${more}
}
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line)
  if (method === 'turn/start') {
    turns += 1
    send({ id, result: { turn: { id: 'turn-' + turns } } })
    tell('turn/started', { turn: { id: 'turn-' + turns, status: 'inProgress' } })
    await (async () => { ${onTurn} })()
  } else if (method === undefined) globalThis.answered?.(JSON.parse(line))
  else if (id !== undefined) {
    const result = on[method]?.(params)
    send(result === undefined ? { id, error: { code: -32600, message: 'no ' + method } } : { id, result })
  }
}
`

test('no result after the last event: the silence ends the turn', async () => {
  const { events } = await runOf(server(`say('m', 'half')`), { patience: { silenceMs: 300 } })
  assert.equal(textOf(events), 'half')
  assert.match(endOf(events).error ?? '', /said nothing for 0 s and was stopped/)
})

test('of two results the first ends the turn, and the second does not end the next', async () => {
  const program =
    server(`if (turns === 1) { end(); end(); tell('turn/completed', { turn: { id: 'turn-1', status: 'failed', error: { message: 'x' } } }) }
    else { say('m', 'the next'); end() }`)
  const { events, next } = await runOf(program, { second: 'again' })
  assert.deepEqual(endOf(events), { type: 'turn.ended', stop: 'end_turn' })
  assert.equal(textOf(next), 'the next')
})

test('a stream that was cut and is told again is shown once', async () => {
  const { events } = await runOf(
    server(`
      item('started', { type: 'agentMessage', id: 'm1', text: '' }); say('m1', 'half of ')
      tell('error', { error: { message: 'Reconnecting... 1/5' }, willRetry: true })
      item('started', { type: 'agentMessage', id: 'm2', text: '' }); say('m2', 'half of it')
      item('completed', { type: 'agentMessage', id: 'm2', text: 'half of it' }); end()`),
  )
  assert.equal(textOf(events), 'half of it')
})

test('a success with an error is a failure', async () => {
  const { events } = await runOf(server(`end('completed', { message: 'it was nothing' })`))
  assert.equal(endOf(events).stop, 'failed')
  assert.match(endOf(events).error ?? '', /it was nothing/)
})

test('a resume that silently starts anew is told', async () => {
  const program = server(`say('m', 'hello'); end()`, `'thread/resume': () => ({ thread: { id: 'other' } }),`)
  const { events } = await runOf(program, { turn: { resume: 'mine' } })
  assert.deepEqual(
    events.map(({ type }) => type),
    ['notice', 'session.started', 'text', 'turn.ended'],
  )
})

test('a refused resume begins anew once, and the chat is told', async () => {
  const program = server(
    `say('m', 'hello'); end()`,
    `'thread/resume': undefined, 'thread/start': () => ({ thread: { id: threadId } }),`,
  ).replace(`'no ' + method`, `'no rollout found for thread id'`)
  const { events } = await runOf(program, { turn: { resume: 'mine' } })
  assert.match(JSON.stringify(events[0]), /no longer has the earlier conversation/)
  assert.equal(textOf(events), 'hello')
})

test('silence in the middle of a tool is no end, and an abort ends it', async () => {
  // The silence itself is the case: several times the bound, after which nothing may have ended.
  const abort = new AbortController()
  const started = Date.now()
  const { events } = await runOf(
    server(`item('started', { type: 'commandExecution', id: 't', command: 'sleep', status: 'inProgress' })`),
    {
      patience: { silenceMs: 50 },
      abort,
      see: (event) => event.type === 'tool' && setTimeout(() => abort.abort(), 300),
    },
  )
  assert.ok(Date.now() - started >= 300)
  assert.equal(endOf(events).stop, 'cancelled')
})

test('output without end is stopped, and the next message works', async () => {
  const program = server(
    `if (turns > 1) { say('n', 'well'); return end() }
     const flood = setInterval(() => { for (let n = 0; n < 50; n += 1) say('m', 'x'.repeat(10_000)) }, 1)
     on['turn/interrupt'] = () => { clearInterval(flood); setTimeout(end, 1, 'interrupted'); return {} }`,
  )
  const { events, next } = await runOf(program, { second: 'again', patience: { interruptMs: 20_000 } })
  assert.match(endOf(events).error ?? '', /wrote more than 8 MB/)
  assert.equal(textOf(next), 'well')
})

test('a line of 50 MB is left out with a notice', async () => {
  const { events } = await runOf(server(`say('m', 'x'.repeat(50e6)); say('m', 'short'); end()`))
  assert.match(JSON.stringify(events), /Codex wrote a line of 50 MB; it was left out/)
  assert.equal(textOf(events), 'short')
})

test('a line that never ends takes no memory', async () => {
  const before = process.memoryUsage().rss
  const { events } = await runOf(
    server(`for (let n = 0; n < 100; n += 1) if (!raw('x'.repeat(1e6))) await new Promise((r) => process.stdout.once('drain', r))
      raw('\\n'); say('m', 'short'); end()`),
  )
  assert.equal(textOf(events), 'short')
  assert.ok(process.memoryUsage().rss - before < 80e6)
})

test('invalid UTF-8 and half a line of JSON do not end the turn', async () => {
  const { events } = await runOf(
    server(
      `process.stdout.write(Buffer.from([0xff, 0xfe, 10])); raw('{"method":\\n'); say('m', 'ok'); end()`,
    ),
  )
  assert.equal(events.filter(({ type }) => type === 'notice').length, 1)
  assert.equal(textOf(events), 'ok')
})

test('a crash with stderr tells what it said, and the next message starts another', async () => {
  const crash = `process.stderr.write('\\u001b[31mthe disk is on fire\\u001b[0m'); process.exit(3)`
  const { events, next } = await runOf(server(crash), { second: 'again' })
  assert.equal(
    endOf(events).error,
    'Codex ended with exit code 3 before its answer was complete. Codex says: the disk is on fire Send the message again to go on.',
  )
  assert.match(endOf(next).error ?? '', /exit code 3/)
})

test('exit 0 without a result is a failure', async () => {
  const { events } = await runOf(server(`say('m', 'half'); setTimeout(() => process.exit(0), 50)`))
  assert.equal(endOf(events).stop, 'failed')
  assert.match(endOf(events).error ?? '', /exit code 0 .* It said nothing about why/)
})

test('the last words before an exit count', async () => {
  const { events } = await runOf(
    server(`say('m', 'whole'); end(); process.exitCode = 1; process.stdin.destroy()`),
  )
  assert.equal(textOf(events), 'whole')
  assert.equal(endOf(events).stop, 'end_turn')
})

test('a program that hears no interrupt and ignores signals is ended', async () => {
  const abort = new AbortController()
  const { events, next } = await runOf(
    server(`process.on('SIGTERM', () => {}); say('m', 'on and on')`, `'turn/interrupt': () => ({}),`),
    {
      abort,
      see: (event) => event.type === 'text' && abort.abort(),
      second: 'again',
      patience: { silenceMs: 500 },
    },
  )
  assert.equal(endOf(events).stop, 'cancelled')
  assert.equal(textOf(next), 'on and on')
})

test('a stop does not wait for a program that opens no conversation', { timeout: 20_000 }, async (t) => {
  const abort = new AbortController()
  const asked = join(tmpdir(), `ductor-asked-${randomUUID()}`)
  t.after(() => rm(asked, { force: true }))
  const program = server(`end()`).replace(
    `const result = on`,
    `if (method === 'thread/start') {
      (await import('node:fs')).writeFileSync(${JSON.stringify(asked)}, '')
      continue
    }
    const result = on`,
  )
  const running = runOf(program, { abort })
  await eventually(() => existsSync(asked), 'the wish for a conversation')
  abort.abort()
  const { events } = await running
  assert.deepEqual(events, [{ type: 'turn.ended', stop: 'cancelled' }])
})

test('a turn that Codex does not take is a failure with its words', async () => {
  const { events } = await runOf(server('').replace(`method === 'turn/start'`, `method === 'never'`))
  assert.match(endOf(events).error ?? '', /did not take the message\. Codex says: no turn\/start/)
})

test('a question that nobody can answer is refused, and the turn goes on', async () => {
  const { events } = await runOf(
    server(`
      globalThis.answered = ({ error }) => { say('m', 'code ' + error.code); end() }
      send({ id: 7, method: 'item/tool/call', params: { threadId } })`),
  )
  assert.equal(textOf(events), 'code -32601')
})

test('a question of an agent that this one started is asked in the same turn', async () => {
  const { events } = await runOf(
    server(`
      globalThis.answered = ({ result }) => { say('m', result.decision); end() }
      send({ method: 'thread/started', params: { thread: { id: 'child', parentThreadId: threadId } } })
      send({ id: 7, method: 'item/commandExecution/requestApproval', params: { threadId: 'child', turnId: 'x', itemId: 'y', command: "/bin/sh -c 'rm it'" } })`),
    {
      see: (event, provider, turn) =>
        event.type === 'permission.requested' && provider.answer(turn.id, event.id, { allow: false }),
    },
  )
  assert.equal(events.find((event) => event.type === 'permission.requested')?.detail, 'rm it')
  assert.equal(textOf(events), 'decline')
})

test('a question that Codex took back needs no answer any more', async () => {
  const answers: boolean[] = []
  const { events } = await runOf(
    server(`
      send({ id: 7, method: 'item/fileChange/requestApproval', params: { threadId, turnId: 'x', itemId: 'y' } })
      tell('serverRequest/resolved', { requestId: 7 }); end()`),
    {
      see: (event, provider, turn) =>
        event.type === 'permission.withdrawn' &&
        answers.push(provider.answer(turn.id, event.id, { allow: true })),
    },
  )
  assert.deepEqual(
    events.map(({ type }) => type),
    ['session.started', 'permission.requested', 'permission.withdrawn', 'turn.ended'],
  )
  assert.deepEqual(answers, [false])
})

test('a list of things to do is shown as it changes', async () => {
  const { events } = await runOf(
    server(`tell('turn/plan/updated', { explanation: null, plan: [
      { step: 'look', status: 'completed' }, { step: 'act', status: 'inProgress' }, { step: 'rest', status: 'pending' }] }); end()`),
  )
  assert.deepEqual(events.find((event) => event.type === 'plan')?.entries, [
    { text: 'look', status: 'completed' },
    { text: 'act', status: 'in_progress' },
    { text: 'rest', status: 'pending' },
  ])
})

test('a search of the web is a tool, and a conversation that was summed up is a notice', async () => {
  const { events } = await runOf(
    server(`
      item('started', { type: 'webSearch', id: 'w', query: '' })
      item('completed', { type: 'webSearch', id: 'w', query: 'the weather' })
      item('started', { type: 'contextCompaction', id: 'c' }); item('completed', { type: 'contextCompaction', id: 'c' }); end()`),
  )
  const tool = events.findLast((event) => event.type === 'tool')
  assert.deepEqual([tool?.title, tool?.status], ['Search the web: the weather', 'completed'])
  assert.match(JSON.stringify(events), /summed up to make room/)
})

test('a program that is not there is named', async () => {
  const { events } = await runOf('', { command: ['/nowhere/codex'] })
  assert.match(endOf(events).error ?? '', /\/nowhere\/codex was not found/)
})

test('an environment that is too large is named', { skip: process.platform !== 'linux' }, async () => {
  const { events } = await runOf(server('end()'), { env: { HUGE: 'x'.repeat(3e6) } })
  assert.match(endOf(events).error ?? '', /too large/)
})

test('a program that never greets is left for its one-shot mode', async () => {
  const program = `
    if (process.argv[2] === 'app-server') setInterval(() => {}, 1e6)
    else for (const line of [{ type: 'thread.started', thread_id: 't' },
      { type: 'item.completed', item: { id: 'i', type: 'error', message: 'a warning' } },
      { type: 'item.completed', item: { id: 'i', type: 'agent_message', text: 'hello' } },
      { type: 'turn.completed', usage: null }]) console.log(JSON.stringify(line))`
  const { events, next } = await runOf(program, { second: 'again', patience: { startMs: 300 } })
  assert.equal(textOf(events), 'hello')
  assert.equal(textOf(next), 'hello')
})

test('a one-shot run that says why on stderr alone is a failure that says it', async () => {
  const program = `
    if (process.argv[2] === 'app-server') process.exit(2)
    process.stderr.write('Error: the configuration is broken'); process.exit(1)`
  const { events } = await runOf(program)
  assert.match(endOf(events).error ?? '', /exit code 1 .* the configuration is broken/)
})

interface Scene {
  readonly turn?: Partial<Turn>
  readonly patience?: Partial<Patience>
  readonly command?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly abort?: AbortController
  /** A second prompt. */
  readonly second?: string
  see?(event: TurnEvent, provider: CodexProvider, turn: Turn): unknown
}

async function runOf(
  program: string,
  scene: Scene = {},
): Promise<{ readonly events: readonly TurnEvent[]; readonly next: readonly TurnEvent[] }> {
  const home = await mkdtemp(join(tmpdir(), 'ductor-hostile-'))
  const file = join(home, 'program.mjs')
  await writeFile(file, program)
  const provider = new CodexProvider(
    { command: scene.command ?? [process.execPath, file], args: [], idleMs: 60_000, maxWarm: 20 },
    { home, log: silentLog, memory: new InMemoryStore(), env: { PATH: '/usr/bin:/bin', ...scene.env } },
    { ...patience, ...scene.patience },
  )
  const turn: Turn = {
    id: randomUUID(),
    place: { key: 'a', transport: 'test', chat: 'a' },
    prompt: 'hello',
    attachments: [],
    strand: '',
    cwd: home,
    permissionMode: 'ask',
    ...scene.turn,
  }
  try {
    const events: TurnEvent[] = []
    for await (const event of provider.run(turn, scene.abort?.signal ?? new AbortController().signal)) {
      events.push(event)
      scene.see?.(event, provider, turn)
    }
    const later = { ...turn, id: randomUUID(), prompt: scene.second ?? '' }
    const next =
      scene.second === undefined
        ? []
        : await Array.fromAsync(provider.run(later, new AbortController().signal))
    return { events, next }
  } finally {
    await provider.close()
    await rm(home, { recursive: true, force: true })
  }
}
