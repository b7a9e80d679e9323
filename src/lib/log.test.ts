import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openLog } from './log.ts'

function logPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-log-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'logs', 'ductor.log')
}

test('a line of the log is JSON with its level, its time, its facts and a constant message', async (t) => {
  const path = logPath(t)
  const log = await openLog({ path, level: 'info', stderr: 'nothing' })
  log.info({ place: 'tg:1' }, 'refused')
  log.debug({}, 'too much to say')
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  assert.equal(lines.length, 1)
  const { time, ...line } = JSON.parse(lines[0] ?? '')
  assert.deepEqual(line, { level: 'info', place: 'tg:1', msg: 'refused' })
  assert.equal(new Date(time).toISOString(), time)
})

test('a secret in an error does not reach the file', async (t) => {
  const path = logPath(t)
  const log = await openLog({ path, level: 'info', stderr: 'nothing', secrets: ['hunter2-and-more'] })
  const cause = new Error('POST https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1/x')
  log.error({ err: new Error('hunter2-and-more was refused', { cause }), password: 'p' }, 'failed')
  const text = readFileSync(path, 'utf8')
  assert.doesNotMatch(text, /hunter2|AAHdq|"p"/)
  assert.match(text, /was refused/)
})
