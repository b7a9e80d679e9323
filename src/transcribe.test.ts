import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { InMemoryStore } from '../tests/contracts/in-memory.ts'
import { eventually } from '../tests/support/eventually.ts'
import { silentLog } from '../tests/support/stage.ts'
import { treeOf } from './providers/kill-tree.ts'
import { transcriber } from './transcribe.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ductor-transcribe-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

function deps() {
  return { env: { PATH: process.env['PATH'] ?? '' }, memory: new InMemoryStore(), log: silentLog }
}

test('what the program writes is what was said; it gets the file last, and the environment of the CLIs alone', async (t) => {
  const cwd = folder(t)
  const command = ['sh', '-c', 'echo "$0 $1"; echo "${DUCTOR_TEST_SECRET:-nothing else}"', 'heard'] as const
  process.env['DUCTOR_TEST_SECRET'] = 'hunter2'
  t.after(() => delete process.env['DUCTOR_TEST_SECRET'])
  const hear = transcriber(command, { ...deps(), cwd })
  assert.equal(await hear('/voice.ogg', new AbortController().signal), 'heard /voice.ogg\nnothing else')
})

test('a program that fails is named with what it said', async (t) => {
  const hear = transcriber(['sh', '-c', 'echo no model >&2; exit 3'], { ...deps(), cwd: folder(t) })
  await assert.rejects(hear('/voice.ogg', new AbortController().signal), /no model/)
})

test('a stop ends the program with all that it has started', async (t) => {
  const cwd = folder(t)
  const script = 'setsid sh -c "echo \\$\\$ > pid; exec sleep 1000" & wait'
  const hear = transcriber(['sh', '-c', script], { ...deps(), cwd })
  const stop = new AbortController()
  const heard = hear('/voice.ogg', stop.signal)
  const pid = await eventually(() => Number(readFileSync(join(cwd, 'pid'), 'utf8')) || undefined)
  stop.abort()
  await assert.rejects(heard)
  assert.deepEqual(await treeOf(pid), [])
})
