import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import type { Provider, Turn, TurnEvent } from '../../core/provider.ts'
import { stillRunning, treeOf } from '../kill-tree.ts'
import { fakeStage } from './fake-stage.fake.ts'

const never = new AbortController().signal
const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')
const notices = (events: readonly TurnEvent[]) =>
  events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))

test('an agent that ends without an answer fails the turn, and the next one works', async () => {
  await after('crash 0', (events) => {
    assert.match(endOf(events).error ?? '', /fake ended with exit code 0 before its answer was complete/)
  })
})

test('what an agent that crashed said on stderr is in the failure', async () => {
  await after('crash 3', (events) => {
    assert.match(endOf(events).error ?? '', /exit code 3 .* It said: the fake agent was asked to crash/)
  })
})

test('of two answers to one prompt the first ends the turn', async () => {
  const answer = '{"jsonrpc":"2.0","id":2,"result":{"stopReason":"end_turn"}}\n'
  await after(`raw ${base64(answer + answer)}`, (events) => {
    assert.equal(events.filter(({ type }) => type === 'turn.ended').length, 1)
    assert.equal(endOf(events).stop, 'end_turn')
  })
})

test('a line that is no UTF-8 or no JSON is left out, with one notice', async () => {
  await after(`raw ${base64(Buffer.from([0xff, 0xfe, 10, 0x7b, 10]))}`, (events) => {
    assert.deepEqual(notices(events), ['fake wrote a line that made no sense; it was left out.'])
    assert.equal(endOf(events).stop, 'end_turn')
  })
})

test('a line over the limit is left out with a notice', async () => {
  await after(
    'endless-line 50',
    (events) => {
      assert.deepEqual(notices(events), ['fake wrote a line of 50 MB; it was left out.'])
      assert.equal(endOf(events).stop, 'end_turn')
    },
    { lineLimit: 1e6 },
  )
})

test('output without end is stopped, and memory stays bounded', async () => {
  const before = process.memoryUsage().rss
  await after('endless', (events) => {
    assert.equal(endOf(events).stop, 'limit')
    assert.match(endOf(events).error ?? '', /wrote without end/)
    assert.ok(process.memoryUsage().rss - before < 400e6, 'more than 400 MB')
  })
})

test('a message that is told again after a broken stream is shown once', async () => {
  await after('retell one two three four', (events) => {
    assert.equal(textOf(events), 'one two three four')
  })
})

test('silence is told to the chat, and then ends the turn', async () => {
  await after(
    'silent',
    (events) => {
      assert.match(notices(events).join(), /fake has said nothing for 0 seconds/)
      assert.equal(endOf(events).stop, 'failed')
      assert.match(endOf(events).error ?? '', /fake said nothing for a second, so the turn was ended/)
    },
    { patience: { noticeMs: 300, silenceMs: 1000 } },
  )
})

test('an agent that never takes a setting ends the turn, by silence or by a stop', async () => {
  await using stage = await fakeStage({ patience: { silenceMs: 1000 } })
  const provider = stage.open()
  const silent = await all(provider, stage.turn('a', 'say one', { model: 'never' }))
  assert.match(endOf(silent).error ?? '', /fake said nothing for/)
  const abort = new AbortController()
  const stopped: TurnEvent[] = []
  for await (const event of provider.run(stage.turn('b', 'say two', { model: 'never' }), abort.signal)) {
    stopped.push(event)
    abort.abort()
  }
  assert.equal(endOf(stopped).stop, 'cancelled')
  assert.equal(textOf(await all(provider, stage.turn('c', 'say back'))), 'back')
})

test('an agent that never opens a session is ended', async () => {
  await using stage = await fakeStage({ without: ['new'], patience: { silenceMs: 1000 } })
  const end = endOf(await all(stage.open(), stage.turn('a', 'say one')))
  assert.match(end.error ?? '', /did not answer for too long \(session\/new\), and was ended/)
  await eventually(async () => (await stage.processes()).length === 0, 'no process')
})

test('silence in the middle of a tool has a longer limit, and the tool ends with the turn', async () => {
  await using stage = await fakeStage({ patience: { noticeMs: 1400, silenceMs: 1500, toolSilenceMs: 3000 } })
  const provider = stage.open()
  const turn = stage.turn('a', `tool touch ${stage.path('runs')}; sleep 600`)
  const events = await allowing(provider, turn)
  assert.deepEqual(notices(events), [])
  assert.equal(endOf(events).stop, 'failed')
  assert.match(endOf(events).error ?? '', /A tool of fake ran for 3 seconds without a word/)
  assert.equal(existsSync(stage.path('runs')), true)
  assert.equal((await stage.processes()).length, 1)
})

test('an agent that does not confirm a cancel is ended, and the next turn works', async () => {
  await using stage = await fakeStage({ patience: { cancelMs: 100, killMs: 200 } })
  const provider = stage.open()
  const abort = new AbortController()
  const events: TurnEvent[] = []
  for await (const event of provider.run(stage.turn('a', 'deaf'), abort.signal)) {
    events.push(event)
    if (event.type === 'text') abort.abort()
  }
  assert.equal(endOf(events).stop, 'cancelled')
  assert.deepEqual(await stage.processes(), [])
  assert.equal(textOf(await all(provider, stage.turn('a', 'say back'))), 'back')
})

test('the other turns of a process that had to be ended are told why', async () => {
  await using stage = await fakeStage({ patience: { cancelMs: 100, killMs: 200 } })
  const provider = stage.open()
  const abort = new AbortController()
  const other = all(provider, stage.turn('b', 'slow 10000'))
  for await (const event of provider.run(stage.turn('a', 'deaf'), abort.signal))
    if (event.type === 'text') abort.abort()
  const end = endOf(await other)
  assert.equal(end.stop, 'failed')
  assert.match(end.error ?? '', /fake did not stop when it was told to, and was ended/)
})

test('a tool that lives on after its turn was stopped is ended', async () => {
  await using stage = await fakeStage({ without: ['kill'], patience: { killMs: 300 } })
  const provider = stage.open()
  await stopInTool(stage, provider)
  assert.equal((await stage.processes()).length, 1)
})

test('a stopped turn ends its own tools, and not those of another turn', async () => {
  await using stage = await fakeStage({ without: ['kill'], patience: { killMs: 300 } })
  const provider = stage.open()
  const abort = new AbortController()
  const other = allowing(
    provider,
    stage.turn('b', `tool touch ${stage.path('other')}; sleep 601`),
    abort.signal,
  )
  await eventually(() => existsSync(stage.path('other')), 'the tool of the other turn')
  const before = await treeOf(process.pid)
  await stopInTool(stage, provider)
  assert.equal((await stillRunning(before)).length, before.length)
  abort.abort()
  assert.equal(endOf(await other).stop, 'cancelled')
})

test('a session that the agent has lost begins anew, with a notice', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const events = await all(provider, stage.turn('a', 'history', { resume: 'gone' }))
  assert.match(notices(events).join(), /no longer has the earlier conversation/)
  assert.equal(textOf(events), 'prompts: 1')
})

test('a session that cannot be taken up just now is not given up for another one', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const resume = sessionOf(await all(provider, stage.turn('a', 'say one')))
  await provider.release?.(stage.turn('a', '').place, '')
  await writeFile(join(stage.home, 'busy'), '')
  const events = await all(provider, stage.turn('a', 'history', { resume }))
  assert.match(endOf(events).error ?? '', /The earlier conversation is there still: send it again/)
  assert.ok(!events.some(({ type }) => type === 'session.started'))
  await rm(join(stage.home, 'busy'))
  assert.equal(textOf(await all(provider, stage.turn('a', 'history', { resume }))), 'prompts: 2')
})

test('what a load leaves behind is cleared up also where it fails', async () => {
  const cleared: string[] = []
  await using stage = await fakeStage({
    async afterLoad(sessionId) {
      cleared.push(sessionId)
    },
  })
  const provider = stage.open()
  const resume = sessionOf(await all(provider, stage.turn('a', 'say one')))
  await provider.release?.(stage.turn('a', '').place, '')
  await writeFile(join(stage.home, 'busy'), '')
  await all(provider, stage.turn('a', 'history', { resume }))
  assert.deepEqual(cleared, [resume])
})

test('of two conversations that take up one session at once, one is told to wait', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const resume = sessionOf(await all(provider, stage.turn('a', 'say one')))
  await provider.release?.(stage.turn('a', '').place, '')
  const both = ['b', 'c'].map((place) => all(provider, stage.turn(place, 'say two', { resume })))
  const ends = (await Promise.all(both)).map(endOf)
  assert.deepEqual(ends.map(({ stop }) => stop).toSorted(), ['end_turn', 'failed'])
  assert.match(ends.map(({ error }) => error).join(''), /Another conversation uses this session/)
})

test('where the protocol could not be loaded once, in the middle of an upgrade perhaps, the next turn works', async () => {
  await using stage = await fakeStage()
  const provider = stage.open()
  const missing = registerHooks({
    resolve(name, context, next) {
      if (name === '@agentclientprotocol/sdk') throw new Error('it is not there just now')
      return next(name, context)
    },
  })
  await assert.rejects(all(provider, stage.turn('a', 'say one')), /not there just now/)
  missing.deregister()
  assert.deepEqual(await stage.processes(), [])
  assert.equal(textOf(await all(provider, stage.turn('a', 'say one'))), 'one')
})

test('a program that is not there is named', async () => {
  await using stage = await fakeStage({ command: ['/nowhere/agent'] })
  const events = await all(stage.open(), stage.turn('a', 'say hello'))
  assert.match(endOf(events).error ?? '', /\/nowhere\/agent was not found/)
})

test('arguments that are too large are told', async () => {
  await using stage = await fakeStage({ command: [process.execPath, 'x'.repeat(4e6)] })
  const events = await all(stage.open(), stage.turn('a', 'say hello'))
  assert.match(endOf(events).error ?? '', /arguments or an environment that are too large/)
})

test('a folder that is not there is named', async () => {
  await using stage = await fakeStage()
  const events = await all(stage.open(), stage.turn('a', 'say hello', { cwd: '/nowhere/at/all' }))
  assert.match(endOf(events).error ?? '', /The folder \/nowhere\/at\/all does not exist/)
})

for (const [what, program, words] of [
  ['never answers', 'setInterval(() => {}, 1e6)', /did not answer within 1 seconds/],
  ['ends at once', 'process.exit(7)', /ended with exit code 7/],
  [
    'speaks another version',
    `process.stdin.once('data', () => console.log('{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":2}}')); setInterval(() => {}, 1e6)`,
    /speaks another version/,
  ],
] as const)
  test(`an agent that ${what} when it starts fails the turn`, async () => {
    await using stage = await fakeStage()
    const file = join(stage.home, 'program.mjs')
    await writeFile(file, program)
    const provider = stage.open({
      command: [process.execPath, file],
      patience: { startMs: 1000, killMs: 200 },
    })
    const events = await all(provider, stage.turn('a', 'say hello'))
    assert.match(endOf(events).error ?? '', words)
    assert.deepEqual(await stage.processes(), [])
  })

test('an agent that asks for a log-in in the place of the protocol says what to do', async () => {
  await using stage = await fakeStage()
  const file = join(stage.home, 'program.mjs')
  await writeFile(file, `console.log('Please log in here:'); setInterval(() => {}, 1e6)`)
  const provider = stage.open({
    command: [process.execPath, file],
    signedOutLine: /log in here/,
    patience: { killMs: 200 },
  })
  const end = endOf(await all(provider, stage.turn('a', 'say hello')))
  assert.equal(end.error, 'fake is not signed in. Run `fake login`.')
})

/** One turn, what is to be seen of it, and another turn in the same conversation, which works. */
async function after(
  prompt: string,
  see: (events: readonly TurnEvent[]) => void,
  wanted: Parameters<typeof fakeStage>[0] = {},
): Promise<void> {
  await using stage = await fakeStage(wanted)
  const provider = stage.open()
  const events = await all(provider, stage.turn('a', prompt))
  see(events)
  const session = events.find((event) => event.type === 'session.started')
  const resume = session === undefined ? {} : { resume: session.sessionId }
  assert.equal(textOf(await all(provider, stage.turn('a', 'say back', resume))), 'back')
}

async function stopInTool(stage: Awaited<ReturnType<typeof fakeStage>>, provider: Provider): Promise<void> {
  const abort = new AbortController()
  const turn = stage.turn('a', `tool touch ${stage.path('runs')}; sleep 600`)
  const seen = eventually(() => existsSync(stage.path('runs')), 'the tool').then(() => abort.abort())
  const events = await allowing(provider, turn, abort.signal)
  await seen
  assert.equal(endOf(events).stop, 'cancelled')
}

function sessionOf(events: readonly TurnEvent[]): string {
  return events.find((event) => event.type === 'session.started')?.sessionId ?? ''
}

function all(provider: Provider, turn: Turn): Promise<readonly TurnEvent[]> {
  return Array.fromAsync(provider.run(turn, never))
}

async function allowing(provider: Provider, turn: Turn, signal = never): Promise<readonly TurnEvent[]> {
  const events: TurnEvent[] = []
  for await (const event of provider.run(turn, signal)) {
    events.push(event)
    if (event.type === 'permission.requested') provider.answer?.(turn.id, event.id, { allow: true })
  }
  return events
}
