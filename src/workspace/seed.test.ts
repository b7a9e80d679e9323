import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { instructionsOf, readMemory } from './instructions.ts'
import { memoryFile, seedWorkspace } from './seed.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ductor-workspace-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

const read = (...path: string[]) => readFileSync(join(...path), 'utf8')

test('an empty workspace gets its rules once, and every CLI finds them', async (t) => {
  const path = folder(t)
  await seedWorkspace(path)
  assert.match(read(path, 'AGENTS.md'), /Rules of this workspace/)
  assert.equal(read(path, 'CLAUDE.md'), '@AGENTS.md\n')
  assert.equal(read(path, 'GEMINI.md'), '@AGENTS.md\n')
  assert.match(read(path, memoryFile), /# Memory/)
})

test('what a person changed, or brought, is never overwritten', async (t) => {
  const path = folder(t)
  writeFileSync(join(path, 'CLAUDE.md'), 'my own rules')
  mkdirSync(join(path, 'memory_system'))
  writeFileSync(join(path, memoryFile), 'I am called Kim.')
  await seedWorkspace(path)
  await seedWorkspace(path)
  assert.equal(read(path, 'CLAUDE.md'), 'my own rules')
  assert.equal(read(path, 'GEMINI.md'), '@CLAUDE.md\n')
  assert.match(read(path, 'AGENTS.md'), /Read CLAUDE\.md/)
  assert.equal(read(path, memoryFile), 'I am called Kim.')
})

test('a new session is given the memory, cut where it is too long for a provider', async (t) => {
  const path = folder(t)
  assert.equal(await readMemory(path), undefined)
  mkdirSync(join(path, 'memory_system'))
  writeFileSync(join(path, memoryFile), 'ä'.repeat(100_000))
  const text = (await readMemory(path, 1001)) ?? ''
  assert.match(text, /^ä{500}\n… \(cut here: the file has 200000 bytes\)$/)
  assert.ok((await instructionsOf(path)).length < 40_000)
})
