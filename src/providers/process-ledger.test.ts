import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { InMemoryStore } from '../../tests/contracts/in-memory.ts'
import { eventually } from '../../tests/support/eventually.ts'
import { silentLog } from '../../tests/support/stage.ts'
import { CliProcess } from './cli-process.ts'
import { stillRunning, treeOf } from './kill-tree.ts'
import { ProcessLedger } from './process-ledger.ts'
import { livingProcesses, startedWith, type NotedProcess } from './process-table.ts'

const known = new WeakMap<InMemoryStore, Set<string>>()
const stay = 'setInterval(() => {}, 1e6)'
const node = (script: string, how = '') =>
  `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(script)}], { stdio: 'ignore', ${how} })`
/** A CLI with a tool in a session of its own, and another one whose shell is gone: its parent is init. */
const cli = `${node(stay, 'detached: true')}; ${node(`${node(stay, 'detached: true')}.unref(); setTimeout(process.exit, 50)`, 'detached: true')}; ${stay}`

/** A ductor that starts a CLI and tells what it remembers. */
const ductor = `
import { InMemoryStore } from ${url('../../tests/contracts/in-memory.ts')}
import { CliProcess } from ${url('./cli-process.ts')}
import { ProcessLedger } from ${url('./process-ledger.ts')}
const log = { debug() {}, info() {}, warn() {}, error() {} }
const memory = new InMemoryStore()
const command = { program: process.execPath, args: ['-e', ${JSON.stringify(cli)}], env: {}, cwd: '/' }
await CliProcess.start(command, new ProcessLedger(memory, log))
console.log(JSON.stringify(memory.list('')))
${stay}
`

test('what a killed ductor left behind is ended by the next one, in whatever session, and nothing else', async () => {
  const innocent = spawn(process.execPath, ['-e', stay], { env: { DUCTOR_RUN: 'of another one' } })
  const first = spawn(process.execPath, ['--input-type=module', '-e', ductor], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: first.stdout }), 'line')
  const memory = new InMemoryStore()
  for (const [key, value] of JSON.parse(String(line))) memory.remember({ [key]: value })
  const [[, kept] = []] = memory.list('process/')
  const { root } = JSON.parse(String(kept))
  const left: readonly NotedProcess[] = await eventually(async () => {
    const mine = await marked(memory)
    return mine.length === 3 && (await treeOf(root.pid)).length === 2 ? mine : undefined
  }, 'a tool with a parent, and one without')

  assert.equal(await sweep(memory), 3, 'the ductor still runs: nothing of it is ended')
  first.kill('SIGKILL')
  await once(first, 'exit')
  assert.equal((await stillRunning(left)).length, 3)

  assert.equal(await sweep(memory), 0)
  assert.deepEqual(await stillRunning(left), [])
  assert.deepEqual(memory.list('process/'), [])
  assert.equal(innocent.exitCode ?? innocent.signalCode, null)
  innocent.kill()

  /** How many of them run afterwards. */
  async function sweep(from: InMemoryStore): Promise<number> {
    await new ProcessLedger(from, silentLog).swept
    return (await stillRunning(left)).length
  }
})

test('a pid that was given to another process since is left alone', async () => {
  const innocent = spawn(process.execPath, ['-e', stay])
  const memory = new InMemoryStore()
  const gone = { pid: 2 ** 30, start: 'long ago' }
  const page = { owner: gone, root: { pid: innocent.pid, start: 'long ago' } }
  memory.remember({ 'process/one': JSON.stringify(page) })
  await new ProcessLedger(memory, silentLog).swept
  assert.equal(innocent.exitCode ?? innocent.signalCode, null)
  assert.deepEqual(memory.list('process/'), [])
  innocent.kill()
})

test('a CLI that is killed takes its tools along, wherever they are, and is forgotten', async () => {
  const memory = new InMemoryStore()
  const started = await CliProcess.start(
    { program: process.execPath, args: ['-e', cli], env: {}, cwd: '/' },
    new ProcessLedger(memory, silentLog),
  )
  const left = await eventually(async () => {
    const mine = await marked(memory)
    return mine.length === 3 && (await treeOf(started.pid ?? 0)).length === 2 ? mine : undefined
  })
  process.kill(started.pid ?? 0, 'SIGKILL')
  assert.deepEqual(await started.exit, { how: 'exited', code: null, signal: 'SIGKILL' })
  assert.deepEqual(await stillRunning(left), [])
  assert.deepEqual(memory.list('process/'), [])
})

test('what begins while the rest is being ended goes too', async () => {
  const restless = `process.on('SIGTERM', () => { ${node(stay, 'detached: true')}.unref(); process.exit() }); console.log('ready'); ${stay}`
  const memory = new InMemoryStore()
  const started = await CliProcess.start(
    { program: process.execPath, args: ['-e', restless], env: {}, cwd: '/' },
    new ProcessLedger(memory, silentLog),
  )
  for await (const _ of started.lines()) break
  assert.equal((await marked(memory)).length, 1)
  await started.kill(1000)
  assert.deepEqual(await marked(memory), [])
})

/** The processes that carry the mark of one that `memory` knows, or knew when it was asked before. */
async function marked(memory: InMemoryStore): Promise<readonly NotedProcess[]> {
  const ids = known.get(memory) ?? new Set()
  known.set(memory, ids)
  for (const [key] of memory.list('process/')) ids.add(key.slice('process/'.length))
  return await startedWith('DUCTOR_RUN', ids, await livingProcesses())
}

function url(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href)
}

test('nothing is started while sixteen that were ended have not gone yet', async (t) => {
  const ledger = new ProcessLedger(new InMemoryStore(), silentLog)
  const deaf = "process.on('SIGTERM', () => {}); console.log('deaf'); setInterval(() => {}, 1e6)"
  const command = { program: process.execPath, args: ['-e', deaf], env: {}, cwd: '/' }
  const started = await Promise.all(Array.from({ length: 16 }, () => CliProcess.start(command, ledger)))
  t.after(() => Promise.all(started.map((each) => each.kill(0))))
  for (const each of started) for await (const _line of each.lines()) break
  const ending = started.map((each) => each.kill(1000))
  const later = await CliProcess.start(command, ledger)
  t.after(() => later.kill(0))
  assert.ok(
    started.some(({ ended }) => ended),
    'one of them has gone before the next one was started',
  )
  await Promise.all(ending)
})
