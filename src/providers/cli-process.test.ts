import assert from 'node:assert/strict'
import { test } from 'node:test'
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
