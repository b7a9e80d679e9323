import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { adapters } from '../cli/load.ts'
import { eventually } from '../../tests/support/eventually.ts'
import { ConfigWatch, type ConfigChange } from './config-watch.ts'

const good = { transport: 'web', model: 'one', permission_mode: 'ask' }

async function watched(pollMs = 3600_000) {
  const home = mkdtempSync(join(tmpdir(), 'ductor-watch-'))
  const path = join(home, 'config', 'config.json')
  mkdirSync(join(home, 'config'))
  const write = (file: object | string) =>
    writeFileSync(path, typeof file === 'string' ? file : JSON.stringify(file))
  write(good)
  const changes: ConfigChange[] = []
  const problems: (readonly string[])[] = []
  const watch = await ConfigWatch.start({
    home,
    adapters,
    changed: (change) => changes.push(change),
    wrong: (found) => problems.push(found),
    pollMs,
  })
  return {
    path,
    write,
    changes,
    problems,
    watch,
    [Symbol.dispose]() {
      watch[Symbol.dispose]()
      rmSync(home, { recursive: true })
    },
  }
}

test('a changed file is given anew, with what acts at once and what waits for a restart', async () => {
  using stage = await watched()
  stage.write({ ...good, model: 'two', user_timezone: 'UTC' })
  await eventually(() => stage.changes.length === 1)
  const [change] = stage.changes
  assert.equal(change?.config.core.model, 'two')
  assert.deepEqual(change?.hot, ['model'])
  assert.deepEqual(change?.waiting, ['user_timezone'])
  assert.deepEqual(stage.problems, [])
})

test('a file that cannot be used is told once, changes nothing, and is told to be well again', async () => {
  using stage = await watched()
  stage.write('{ "transport": "web",')
  await eventually(() => stage.problems.length === 1)
  assert.match(stage.watch.problems.join('\n'), /^line 1, column \d+: /)
  stage.write({ ...good, permission_mode: 'yolo', model: 'two' })
  await eventually(() => stage.problems.length === 2)
  assert.match(stage.watch.problems.join('\n'), /^permission_mode: is "yolo"/)
  assert.deepEqual(stage.changes, [])
  stage.write(good)
  await eventually(() => stage.problems.length === 3)
  assert.deepEqual(stage.watch.problems, [])
  assert.deepEqual(stage.changes, [])
})

test('a file that an editor put in the place of the old one is seen, and the same again is no change', async () => {
  using stage = await watched()
  writeFileSync(`${stage.path}~`, JSON.stringify({ ...good, model: 'two' }))
  renameSync(`${stage.path}~`, stage.path)
  await eventually(() => stage.changes.length === 1)
  stage.write(JSON.stringify({ ...good, model: 'two' }, null, 4))
  stage.write({ ...good, model: 'three' })
  await eventually(() => stage.changes.at(-1)?.config.core.model === 'three')
  assert.deepEqual(stage.changes.at(-1)?.hot, ['model'])
})

test('a file that is taken away is told, and what was good goes on', async () => {
  using stage = await watched(50)
  rmSync(stage.path)
  await eventually(() => stage.problems.length === 1)
  assert.match(stage.watch.problems.join('\n'), /config\.json is gone/)
  assert.deepEqual(stage.changes, [])
})
