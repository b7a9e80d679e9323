import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import type { TurnEvent, UnpromptedTurn } from '../../core/provider.ts'
import { stillRunning, treeOf, type NotedProcess } from '../kill-tree.ts'
import { hostile, type HostileStage } from './hostile.fake.ts'

/** A tool in a session of its own, which writes its pid and stays; then what follows. */
const withTool = (then: string) =>
  `spawn('sh', ['-c', 'echo $$ > writing; mv writing tool; exec sleep 600'], { detached: true, stdio: 'ignore' });
   const wait = setInterval(() => {
     if (!existsSync('tool')) return
     clearInterval(wait)
     init(); tool('t', 'Bash', { command: 'sleep 600' }); ${then}
   }, 10)`

test('no result after the last event: the chat is told, then the turn is ended', async () => {
  await using on = await hostile(`init(); start('m'); text('all I have to say')`, {
    patience: { noticeMs: 100, stopMs: 300 },
  })
  const events = await on.run('trap')
  assert.equal(textOf(events), 'all I have to say')
  assert.match(notices(events), /said nothing for/)
  assert.match(failure(events), /said nothing for .* the turn was ended/)
  await works(on)
})

test('two results in one run: the second is a turn of its own, and not the next answer', async () => {
  await using on = await hostile(`init(); result('one'); init(); result('two')`)
  const begun: UnpromptedTurn[] = []
  on.provider.listen((turn) => begun.push(turn))
  assert.equal(endOf(await on.run('trap')).text, 'one')
  const own = await eventually(() => begun[0])
  assert.equal(endOf(await Array.fromAsync(own.events)).text, 'two')
  await works(on)
})

test('a second result for nothing is nobody’s', async () => {
  await using on = await hostile(`init(); result('one'); result('two')`)
  assert.equal(endOf(await on.run('trap')).text, 'one')
  await works(on)
})

test('a stream that is cut and told again is told once', async () => {
  await using on = await hostile(`init(); start('m'); text('half an ans');
    stream({ type: 'other' }, { abandoned_blocks: { api_message_id: 'm', from_block_index: 0 } });
    start('n'); text('half an answer'); result('half an answer')`)
  assert.equal(textOf(await on.run('trap')), 'half an answer')
  await works(on)
})

test('a success that is an error is a failure', async () => {
  await using on = await hostile(`init(); result('overloaded', { is_error: true, api_error_status: 529 })`)
  assert.match(failure(await on.run('trap')), /Anthropic is overloaded/)
  await works(on)
})

test('a resume that silently starts anew is told', async () => {
  await using on = await hostile(`init('another'); result('who are you?')`)
  const events = await on.run('trap', { resume: 'the-earlier-one' })
  assert.match(notices(events), /began a new conversation instead of going on/)
  assert.equal(endOf(events).stop, 'end_turn')
  await works(on)
})

test('silence in the middle of a tool: notice, interrupt, and the tree is killed where that is not obeyed', async () => {
  await using on = await hostile(`obeys = false; ${withTool('')}`, {
    patience: { noticeMs: 400, stopMs: 700 },
  })
  const events = await on.run('trap')
  assert.match(notices(events), /It may still be at work/)
  assert.match(failure(events), /said nothing for/)
  assert.deepEqual(await stillRunning(await toolOf(on)), [])
  await works(on)
})

test('output without end is taken no faster than it is read', async () => {
  await using on = await hostile(
    `obeys = false; init(); start('m'); const words = 'x'.repeat(10000);
     (function more() { while (process.stdout.writableLength < 1e6) text(words); setImmediate(more) })()`,
  )
  const abort = new AbortController()
  let read = 0
  const before = process.memoryUsage.rss()
  const see = async () => {
    read += 1
    // A reader that is slow, as a busy disk makes it: what is tested is how much is kept meanwhile.
    if (read === 1) await new Promise((resolve) => setTimeout(resolve, 1500))
    if (read > 2000) abort.abort()
  }
  assert.equal(endOf(await on.run('trap', {}, see, abort.signal)).stop, 'cancelled')
  const grown = (process.memoryUsage.rss() - before) / 1e6
  assert.ok(grown < 150, `${Math.round(grown)} MB`)
  await works(on)
})

test('a line of 50 MB is read', async () => {
  await using on = await hostile(`init(); result('x'.repeat(50e6))`)
  assert.equal(endOf(await on.run('trap')).text?.length, 50e6)
  await works(on)
})

test('a line over the limit is left out with a notice', async () => {
  await using on = await hostile(`init(); out('x'.repeat(3e6)); result('ok')`, {
    settings: { lineLimit: 1e6 },
  })
  const events = await on.run('trap')
  assert.match(notices(events), /3 MB/)
  assert.equal(endOf(events).text, 'ok')
  await works(on)
})

test('bytes that are no UTF-8 do not end the turn', async () => {
  await using on = await hostile(`init(); process.stdout.write(Buffer.from([0xff, 0xfe, 10])); result('ok')`)
  const events = await on.run('trap')
  assert.match(notices(events), /made no sense/)
  assert.equal(endOf(events).text, 'ok')
  await works(on)
})

test('a crash in the middle of a tool is told with its last words, and the tool goes too', async () => {
  await using on = await hostile(withTool(`console.error('the disk is on fire'); process.exit(7)`))
  const events = await on.run('trap')
  assert.match(failure(events), /exit code 7 .*the disk is on fire/)
  assert.deepEqual(await stillRunning(await toolOf(on)), [])
  await works(on)
})

test('exit 0 without a result is a failure', async () => {
  await using on = await hostile(`init(); process.exit(0)`)
  assert.match(failure(await on.run('trap')), /exit code 0 before its answer was complete. It said nothing/)
  await works(on)
})

test('exit 0 without a word is a failure, also when it is tried by itself', async () => {
  await using on = await hostile(`process.exit(0)`)
  assert.match(failure(await on.run('trap')), /exit code 0 before its answer was complete/)
  await works(on)
})

test('half a line and an end is a failure, told truly', async () => {
  await using on = await hostile(`init(); process.stdout.write('{"type":"resu', () => process.exit(0))`)
  assert.match(failure(await on.run('trap')), /before its answer was complete/)
  await works(on)
})

test('a refused resume is tried once anew, and the chat is told', async () => {
  await using on = await hostile(
    `if (resumed) { out({ type: 'result', subtype: 'error_during_execution', is_error: true, errors: ['No conversation found with session ID: ' + resumed] }); process.exit(1) }
     init(); result('anew')`,
  )
  const events = await on.run('trap', { resume: 'gone' })
  assert.match(notices(events), /no longer has the earlier conversation/)
  assert.equal(endOf(events).text, 'anew')
  await works(on)
})

test('a home that cannot be written, as on a full disk, is told, and the next message works', async () => {
  await using on = await hostile(`init(); result('ok')`)
  const run = join(on.home, 'run')
  await writeFile(run, '')
  const program = { command: ['/bin/false'], env: {} } as const
  const tools = { name: 'ductor', url: 'http://127.0.0.1:1/mcp', token: 'x', program }
  assert.match(failure(await on.run('trap', { tools })), /cannot be written.*send it again/)
  await rm(run)
  await works(on)
})

test('a program that is not there (ENOENT) is named, and used once it is', async () => {
  await using on = await hostile('', { settings: { command: ['/nowhere/claude'] } })
  assert.match(failure(await on.run('hello')), /\/nowhere\/claude was not found/)
  const program = join(on.home, 'claude')
  await using later = await hostile('', { settings: { command: [program] } })
  assert.match(failure(await later.run('hello')), /was not found/)
  const script = readFileSync(join(later.home, 'program.mjs'), 'utf8')
  await writeFile(`${program}.mjs`, script)
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${program}.mjs' "$@"\n`)
  await chmod(program, 0o755)
  await works(later)
})

test('arguments that are too large (E2BIG) are told', async () => {
  await using on = await hostile('')
  assert.match(failure(await on.run('hello', { model: 'x'.repeat(3e6) })), /too large/)
  await works(on)
})

test('a program that hangs and ignores signals is ended by an abort', async () => {
  await using on = await hostile(`obeys = false; process.on('SIGTERM', () => {}); init(); stay()`)
  const abort = new AbortController()
  const events = await on.run(
    'trap',
    {},
    ({ type }) => type === 'session.started' && abort.abort(),
    abort.signal,
  )
  assert.equal(endOf(events).stop, 'cancelled')
  await works(on)
})

test('a turn that is stopped while its process starts is never begun', async () => {
  await using on = await hostile(`out({}); spawn('touch', ['begun']); init(); result('done')`)
  const abort = new AbortController()
  const running = on.run('trap', {}, () => {}, abort.signal)
  abort.abort()
  assert.deepEqual(endOf(await running).stop, 'cancelled')
  await works(on)
  assert.equal(existsSync(join(on.home, 'begun')), false)
})

test('a stop does not wait for a process that takes no other model', { timeout: 10_000 }, async () => {
  await using on = await hostile(`
    process.stdin.on('data', (chunk) => String(chunk).includes('set_model') && spawn('touch', ['asked']))
    init(); obeys = false; result('ok')`)
  const resume = (await on.run('trap')).find((event) => event.type === 'session.started')?.sessionId ?? ''
  const abort = new AbortController()
  const running = on.run('hello', { model: 'another', resume }, () => {}, abort.signal)
  await eventually(() => existsSync(join(on.home, 'asked')), 'the wish for another model')
  abort.abort()
  assert.equal(endOf(await running).stop, 'cancelled')
  await works(on)
})

test('an interrupt that is not obeyed ends the process', async () => {
  await using on = await hostile(`obeys = false; init(); start('m'); text('on and on')`)
  const events = await on.run('trap', {}, ({ type }, turn) => {
    if (type === 'text') void on.provider.interrupt(turn.id)
  })
  assert.equal(endOf(events).stop, 'cancelled')
  await works(on)
})

test('a program that never says a word is given one prompt at a time, and the chat is told', async () => {
  const before = `if (process.argv.includes('--input-format=stream-json')) { process.stdin.resume(); setInterval(() => {}, 1e6); await new Promise(() => {}) }`
  await using on = await hostile('', { before, patience: { startMs: 300 } })
  const events = await on.run('hello')
  assert.match(notices(events), /could not be kept running/)
  assert.equal(endOf(events).text, 'fine, once')
  assert.equal(endOf(await on.run('hello')).text, 'fine, once')
})

test('a program that does not know the flags is given one prompt at a time', async () => {
  const before = `if (process.argv.includes('--input-format=stream-json')) { console.error('unknown option'); process.exit(1) }`
  await using on = await hostile('', { before })
  assert.equal(endOf(await on.run('hello')).text, 'fine, once')
})

test('a message that is put in too late is answered in the same turn, which ends once', async () => {
  await using on = await hostile(`init(); start('m'); text('first');
    prompt = () => { result('first'); init(); start('n'); text('second'); result('second') }`)
  const events = await on.run('trap', {}, async (event, turn) => {
    if (event.type !== 'text' || event.delta !== 'first') return
    assert.equal(await on.provider.steer(turn.id, 'and this', []), 'taken')
  })
  assert.equal(textOf(events), 'first\nsecond')
  assert.equal(endOf(events).stop, 'end_turn')
  assert.equal(events.filter(({ type }) => type === 'turn.ended').length, 1)
})

test('a turn that Claude began can ask, and can be stopped', async () => {
  await using on = await hostile(`init(); result('one'); init();
    out({ type: 'control_request', request_id: 'r', request: { subtype: 'can_use_tool', tool_name: 'Bash', input: { command: 'ls' } } })`)
  const begun: UnpromptedTurn[] = []
  on.provider.listen((turn) => begun.push(turn))
  await on.run('trap')
  const own = await eventually(() => begun[0])
  const events: TurnEvent[] = []
  for await (const event of own.events) {
    events.push(event)
    if (event.type !== 'permission.requested') continue
    assert.equal(on.provider.answer(own.id, event.id, { allow: false }), true)
    own.stop()
  }
  assert.equal(endOf(events).stop, 'cancelled')
  await works(on)
})

test('background work that asks between turns is heard, and is over when it is answered', async () => {
  await using on = await hostile(`init(); result('one');
    out({ type: 'control_request', request_id: 'r', request: { subtype: 'can_use_tool', tool_name: 'Bash', input: { command: 'ls' } } })`)
  const begun: UnpromptedTurn[] = []
  on.provider.listen((turn) => begun.push(turn))
  await on.run('trap')
  const own = await eventually(() => begun[0])
  const events: TurnEvent[] = []
  for await (const event of own.events) {
    events.push(event)
    if (event.type === 'permission.requested') on.provider.answer(own.id, event.id, { allow: true })
  }
  assert.equal(endOf(events).stop, 'end_turn')
  await works(on)
})

test('a prompt that comes while Claude speaks by itself is answered with its own answer', async () => {
  const told = (state: string) => `out({ type: 'command_lifecycle', command_uuid: uuid, state: '${state}' })`
  await using on = await hostile('', {
    before: `let uuid`,
    patience: { noticeMs: 10_000, stopMs: 20_000 },
  })
  await works(on)
  // The program tells of its prompts, and begins something of its own before it takes the second one.
  const script = join(on.home, 'program.mjs')
  const program = readFileSync(script, 'utf8').replace(
    "if (message.type === 'user') return",
    `if (message.type === 'user') uuid = message.uuid
     if (message.type === 'user' && message.message.content[0].text === 'late') {
       ${told('queued')}; init(); start('o'); text('by myself'); result('by myself')
       ${told('started')}; init(); start('p'); text('yours'); return result('yours')
     }
     if (message.type === 'user') { ${told('queued')}; ${told('started')} }
     if (message.type === 'user') return`,
  )
  await writeFile(script, program)
  await on.provider.release({ key: 'a', transport: 'test', chat: 'a' }, '')
  const begun: UnpromptedTurn[] = []
  on.provider.listen((turn) => begun.push(turn))
  await works(on)
  const events = await on.run('late', { resume: 'session-1' })
  assert.equal(textOf(events), 'yours')
  assert.equal(textOf(await Array.fromAsync((await eventually(() => begun[0])).events)), 'by myself')
})

function notices(events: readonly TurnEvent[]): string {
  return events.flatMap((event) => (event.type === 'notice' ? [event.message] : [])).join('\n')
}

function failure(events: readonly TurnEvent[]): string {
  const end = endOf(events)
  assert.equal(end.stop, 'failed')
  return end.error ?? ''
}

/** The next message works, and is answered with its own answer. */
async function works(on: HostileStage): Promise<void> {
  const session = on.session()
  const events = await on.run('hello', session === undefined ? {} : { resume: session })
  assert.equal(endOf(events).text, 'fine')
  assert.equal(endOf(events).stop, 'end_turn')
}

async function toolOf(on: HostileStage): Promise<readonly NotedProcess[]> {
  const path = join(on.home, 'tool')
  assert.ok(existsSync(path), 'the tool ran')
  return await treeOf(Number(readFileSync(path, 'utf8')))
}
