import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { writeFileAtomically } from './atomic-write.ts'

test('a new file has its text and its mode', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'secret.json')
  await writeFileAtomically(path, 'hello', { mode: 0o600 })
  assert.equal(await readFile(path, 'utf8'), 'hello')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

test('a file that was readable by everyone is not any more', async (t) => {
  const path = join(await temporaryFolder(t), 'secret.json')
  await writeFile(path, 'old and much longer than the new text')
  await chmod(path, 0o644)
  await writeFileAtomically(path, 'new', { mode: 0o600 })
  assert.equal(await readFile(path, 'utf8'), 'new')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

test('what cannot be written leaves nothing behind and the old file as it was', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'a-folder-stands-here')
  await writeFileAtomically(join(folder, 'other'), 'kept')
  await mkdir(path)
  await assert.rejects(writeFileAtomically(path, 'new'))
  assert.deepEqual((await readdir(folder)).toSorted(), ['a-folder-stands-here', 'other'])
})

test('many writers leave one whole text', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'file')
  const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000))
  await Promise.all(texts.map((text) => writeFileAtomically(path, text)))
  assert.ok(texts.includes(await readFile(path, 'utf8')))
  assert.deepEqual(await readdir(folder), ['file'])
})

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ductor-atomic-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
