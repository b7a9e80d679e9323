import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { findProgram } from './find-program.ts'

test('the first folder of the PATH that has a program of this name gives it', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'ductor-path-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const folder of ['a', 'b', 'c']) mkdirSync(join(root, folder))
  mkdirSync(join(root, 'a', 'agent'))
  writeFileSync(join(root, 'b', 'agent'), 'a text that nobody can run', { mode: 0o644 })
  writeFileSync(join(root, 'c', 'agent'), '#!/bin/sh\n')
  chmodSync(join(root, 'c', 'agent'), 0o755)
  const PATH = ['', join(root, 'missing'), join(root, 'a'), join(root, 'b'), join(root, 'c')].join(delimiter)
  assert.equal(findProgram('agent', { PATH }), join(root, 'c', 'agent'))
  assert.equal(findProgram('other', { PATH }), undefined)
  assert.equal(findProgram('agent', {}), undefined)
})
