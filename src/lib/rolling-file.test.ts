import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { RollingFile } from './rolling-file.ts'

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-rolling-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('the newest lines are in the file itself, older ones in numbered files, the oldest are gone', (t) => {
  const folder = folderFor(t)
  const path = join(folder, 'logs', 'a.log')
  const file = new RollingFile({ path, maxBytes: 10, keep: 2 })
  for (const line of ['one 1\n', 'two 2\n', 'three\n', 'four4\n']) file.write(line)
  file.close()
  const texts = readdirSync(join(folder, 'logs')).map((name) => [
    name,
    readFileSync(join(folder, 'logs', name), 'utf8'),
  ])
  assert.deepEqual(texts, [
    ['a.log', 'four4\n'],
    ['a.log.1', 'three\n'],
    ['a.log.2', 'two 2\n'],
  ])
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a file of an earlier run is gone on with, and its size counts', (t) => {
  const path = join(folderFor(t), 'a.log')
  const options = { path, maxBytes: 12, keep: 1 }
  for (const line of ['first\n', 'second\n', 'third\n']) {
    const file = new RollingFile(options)
    file.write(line)
    file.close()
  }
  assert.equal(readFileSync(path, 'utf8'), 'third\n')
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'second\n')
})

test('when the file cannot be rolled, the process goes on', (t) => {
  const path = join(folderFor(t), 'a.log')
  const file = new RollingFile({ path, maxBytes: 10, keep: 1 })
  file.write('123456789\n')
  mkdirSync(`${path}.1`)
  file.write('next\n')
  file.close()
})
