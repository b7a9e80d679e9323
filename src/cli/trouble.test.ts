import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { troubleInWords } from './trouble.ts'

function caught(act: () => void): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return assert.fail('nothing was thrown')
}

test('a full disk, a read-only store and missing rights are told with what to do; a fault of ours is not', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-trouble-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'x.db')
  using db = new DatabaseSync(path)
  db.exec('create table t (x); pragma max_page_count = 2')
  const full = caught(() => db.prepare('insert into t values (zeroblob(100000))').run())
  assert.match(troubleInWords(full, '/home/me') ?? '', /^The disk of \/home\/me is full: free some space/)
  using reading = new DatabaseSync(path, { readOnly: true })
  const shut = caught(() => reading.exec('insert into t values (1)'))
  assert.match(troubleInWords(shut, '/my home') ?? '', /^You may not use \/my home \(.*'\/my home'\. Or name/)
  const denied = Object.assign(new Error('denied'), { code: 'EACCES', path: '/home/me/run' })
  assert.match(troubleInWords(denied, '/home/me') ?? '', /^You may not use \/home\/me\/run /)
  assert.equal(troubleInWords(new TypeError('x is not a function'), '/home/me'), undefined)
})
