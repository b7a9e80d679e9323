import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import type { TurnEvent } from '../../core/provider.ts'
import { ClaudeProvider } from './provider.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const result = (text: string) =>
  JSON.stringify({ type: 'result', subtype: 'success', is_error: false, result: text })
const print = (text: string) => `process.stdout.write(${JSON.stringify(text)})`
const onPrompt = (act: string) => `process.stdin.once('data', () => { ${act} })`

test('half a line and an end is a failure, told truly', async () => {
  const end = endOf(await runOf(onPrompt(`${print('{"type":"resu')}; process.stdin.destroy()`)))
  assert.equal(end.stop, 'failed')
  assert.match(end.error ?? '', /exit code 0 before its answer was complete/)
})

test('a program that prints nothing is a failure', async () => {
  const end = endOf(await runOf(onPrompt('process.exit(0)')))
  assert.equal(end.stop, 'failed')
  assert.match(end.error ?? '', /said nothing/)
})

test('what it said on stderr is in the failure', async () => {
  const end = endOf(await runOf(`process.stderr.write('the disk is on fire'); process.exitCode = 1`))
  assert.match(end.error ?? '', /exit code 1 .* the disk is on fire/)
})

test('a program that hangs and ignores signals is ended by an abort', async () => {
  const act = `process.on('SIGTERM', () => {}); ${onPrompt(print('{"type":"system","subtype":"init","session_id":"s"}\n'))}; setInterval(() => {}, 1e6)`
  const end = endOf(await runOf(act, (event, abort) => event.type === 'session.started' && abort.abort()))
  assert.equal(end.stop, 'cancelled')
})

test('of two results the first ends the turn', async () => {
  const events = await runOf(onPrompt(print(`${result('one')}\n${result('two')}\n`)))
  assert.deepEqual(events, [{ type: 'turn.ended', stop: 'end_turn', text: 'one', usage: {} }])
})

test('a line that is no UTF-8 does not end the turn', async () => {
  const events = await runOf(
    onPrompt(`process.stdout.write(Buffer.from([0xff, 0xfe, 10])); ${print(`${result('ok')}\n`)}`),
  )
  assert.deepEqual(
    events.map(({ type }) => type),
    ['notice', 'turn.ended'],
  )
  assert.equal(endOf(events).text, 'ok')
})

test('a line over the limit is left out with a notice', async () => {
  const act = `process.stdout.write('x'.repeat(3e6) + '\\n'); ${print(`${result('ok')}\n`)}`
  const events = await runOf(onPrompt(act))
  assert.match(events[0]?.type === 'notice' ? events[0].message : '', /3 MB/)
  assert.equal(endOf(events).text, 'ok')
})

test('a program that is not there is named', async () => {
  const events = await runOf('', () => {}, ['/nowhere/claude'])
  assert.match(endOf(events).error ?? '', /\/nowhere\/claude was not found/)
  assert.equal(textOf(events), '')
})

async function runOf(
  program: string,
  see: (event: TurnEvent, abort: AbortController) => unknown = () => {},
  command?: readonly string[],
): Promise<readonly TurnEvent[]> {
  const home = await mkdtemp(join(tmpdir(), 'ductor-hostile-'))
  const file = join(home, 'program.mjs')
  await writeFile(file, program)
  const provider = new ClaudeProvider(
    { command: command ?? [process.execPath, file], args: [], idleMs: 60_000, maxWarm: 8, lineLimit: 1e6 },
    { home, log, memory: new InMemoryStore(), env: { PATH: '/usr/bin:/bin' } },
    { interruptMs: 100, killMs: 200 },
  )
  const abort = new AbortController()
  const events: TurnEvent[] = []
  try {
    const turn = {
      id: randomUUID(),
      place: { key: 'a', transport: 'test', chat: 'a' },
      prompt: 'hello',
      attachments: [],
      strand: '',
      cwd: home,
      permissionMode: 'ask',
    } as const
    for await (const event of provider.run(turn, abort.signal)) {
      events.push(event)
      see(event, abort)
    }
    return events
  } finally {
    await provider.close()
    await rm(home, { recursive: true, force: true })
  }
}
