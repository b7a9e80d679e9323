import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { extrasFolder, importExtra, MissingExtra } from './import-extra.ts'

test('a library beyond the base install is found beside the program, in the extras of the home, or named as missing', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'ductor-extras-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const beside = importExtra(home, 'zod')
  assert.ok(typeof beside === 'object' && beside !== null && 'object' in beside)

  assert.throws(
    () => importExtra(home, 'an-extra'),
    (error) => error instanceof MissingExtra && error.library === 'an-extra',
  )

  const folder = join(extrasFolder(home), 'node_modules/an-extra')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{"name":"an-extra","type":"module","exports":"./main.js"}')
  await writeFile(join(folder, 'main.js'), 'export const answer = 42')
  const extra = importExtra(home, 'an-extra')
  assert.ok(typeof extra === 'object' && extra !== null && 'answer' in extra)
  assert.equal(extra.answer, 42)

  const inside = importExtra(join(home, 'agents/coder'), 'an-extra')
  assert.equal(inside, extra, 'the home of another agent lies in this one')
})
