import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { environment } from './environment.ts'

test('.env fills the gaps of the environment, and only those', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'ductor-env-'))
  t.after(() => rmSync(home, { recursive: true }))
  assert.deepEqual(environment(home, { A: 'own', B: undefined }), { A: 'own' })
  writeFileSync(join(home, '.env'), '# mine\nA=file\nB="with spaces"\nexport C=c # why\nD=\n')
  const env = environment(home, { A: 'own', D: 'own', E: '' })
  assert.deepEqual(env, { A: 'own', B: 'with spaces', C: 'c', D: 'own', E: '' })
})
