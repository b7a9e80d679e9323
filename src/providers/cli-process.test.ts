import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { InMemoryStore } from '../../tests/contracts/in-memory.ts'
import { eventually } from '../../tests/support/eventually.ts'
import { silentLog } from '../../tests/support/stage.ts'
import { CliProcess } from './cli-process.ts'
import { ProcessLedger } from './process-ledger.ts'

test('what a process wrote is read after its end, too', async () => {
  const command = {
    program: process.execPath,
    args: ['-e', `console.log('one'); console.log('two')`],
    env: {},
    cwd: import.meta.dirname,
  }
  const started = await CliProcess.start(command, new ProcessLedger(new InMemoryStore(), silentLog))
  await eventually(() => started.ended, 'its end')
  assert.deepEqual(await Array.fromAsync(started.lines()), [
    { type: 'line', text: 'one' },
    { type: 'line', text: 'two' },
  ])
  await started.exit
})

test(
  'a process that closes its output and lives on is ended: nothing more will come of it',
  { timeout: 30_000 },
  async (t) => {
    const command = {
      program: process.execPath,
      args: ['-e', `console.log('one'); require('fs').closeSync(1); setInterval(() => {}, 1e6)`],
      env: {},
      cwd: import.meta.dirname,
    }
    const started = await CliProcess.start(command, new ProcessLedger(new InMemoryStore(), silentLog))
    t.after(() => started.kill(0))
    assert.equal((await Array.fromAsync(started.lines())).length, 1)
    assert.deepEqual(await started.exit, { how: 'exited', code: null, signal: 'SIGTERM' })
  },
)

const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)

/** Stops a CLI while no file can be opened any more. */
const outOfFiles = `
import { openSync } from 'node:fs'
import { InMemoryStore } from ${url('../../tests/contracts/in-memory.ts')}
import { CliProcess } from ${url('./cli-process.ts')}
import { ProcessLedger } from ${url('./process-ledger.ts')}
const log = { debug() {}, info() {}, warn() {}, error() {} }
const args = ['-e', 'console.log(1); setInterval(() => {}, 1e6)']
const command = { program: process.execPath, args, env: {}, cwd: '/' }
const started = await CliProcess.start(command, new ProcessLedger(new InMemoryStore(), log))
await started.lines()[Symbol.asyncIterator]().next()
try {
  for (;;) openSync('/dev/null')
} catch (error) {
  console.log(error.code)
}
await started.kill(100)
console.log((await started.exit).signal)
`

test(
  'a process is ended, and is not taken for ended, where no file can be opened any more',
  {
    skip: process.platform === 'win32' ? 'there is no such limit' : false,
  },
  async () => {
    const node = [process.execPath, '--input-type=module', '-e', outOfFiles]
    const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 80; exec "$@"', 'sh', ...node])
    assert.equal(stdout, 'EMFILE\nSIGKILL\n')
  },
)
