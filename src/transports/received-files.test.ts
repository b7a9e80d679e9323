import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { UserError } from '../core/user-error.ts'
import { removeReceived, safeName, storeReceived } from './received-files.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ductor-received-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function* bytes(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

test('a file is stored under its day and its name, for the owner alone', async () => {
  const now = Date.UTC(2026, 1, 3, 23, 59)
  const stored = await storeReceived(folder, 'notes.txt', bytes('ab', 'c'), { maxBytes: 3, now })
  assert.deepEqual(stored, { path: join(folder, '2026-02-03', 'notes.txt'), size: 3 })
  assert.equal(readFileSync(stored.path, 'utf8'), 'abc')
  assert.equal(statSync(stored.path).mode & 0o777, 0o600)
})

test('two files of one name are both kept, also when they come at once', async () => {
  const limits = { maxBytes: 10 }
  const stored = await Promise.all(
    ['one', 'two', 'three'].map((text) => storeReceived(folder, 'a.tar.gz', bytes(text), limits)),
  )
  assert.deepEqual(stored.map(({ path }) => readFileSync(path, 'utf8')).toSorted(), ['one', 'three', 'two'])
  assert.deepEqual(stored.map(({ path }) => basename(path)).toSorted(), [
    'a.tar-2.gz',
    'a.tar-3.gz',
    'a.tar.gz',
  ])
})

test('what is too large, or breaks off, leaves nothing behind', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half')
    throw new Error('the line broke')
  }
  const limits = { maxBytes: 1024 * 1024 }
  await assert.rejects(storeReceived(folder, 'a', broken(), limits), /the line broke/)
  await assert.rejects(
    storeReceived(folder, 'a', bytes('x'.repeat(1024 * 1024), 'y'), limits),
    (error) => error instanceof UserError && /at most 1 MB/.test(error.message),
  )
  assert.deepEqual(readdirSync(join(folder, new Date().toISOString().slice(0, 10))), [])
})

test('what came on days long past goes; what was changed since, put beside it or linked there stays', async () => {
  const day = (days: number) => new Date(Date.now() - days * 24 * 3600_000)
  const received = join(folder, 'pruned')
  const lay = (name: string, changed: Date) => {
    const path = join(received, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, 'x')
    utimesSync(path, changed, changed)
    return path
  }
  const old = day(40).toISOString().slice(0, 10)
  lay(`${day(50).toISOString().slice(0, 10)}/photo.jpg`, day(50))
  lay(`${old}/photo.jpg`, day(40))
  const kept = [
    lay(`${old}/notes.txt`, day(1)),
    lay(`${old}/unpacked/a.txt`, day(40)),
    lay(`${day(20).toISOString().slice(0, 10)}/photo.jpg`, day(20)),
    lay('index.txt', day(40)),
  ]
  const outside = lay('../outside/photo.jpg', day(60))
  symlinkSync(dirname(outside), join(received, day(60).toISOString().slice(0, 10)))
  symlinkSync(outside, join(received, old, 'link.jpg'))
  await removeReceived(received, day(30).getTime())
  for (const path of kept) assert.ok(existsSync(path), path)
  assert.deepEqual(readdirSync(join(received, old)), ['link.jpg', 'notes.txt', 'unpacked'])
  assert.ok(existsSync(outside))
  assert.ok(!existsSync(join(received, day(50).toISOString().slice(0, 10))))
  // The folder itself may be a link: what it leads to is not ours.
  const linked = join(folder, 'linked')
  symlinkSync(received, linked)
  await removeReceived(linked, day(0).getTime())
  assert.ok(existsSync(kept[2] ?? ''))
  await removeReceived(join(folder, 'nowhere'), day(0).getTime())
})

test('no name leads out of the folder, hides its ending or is too long for a disk', () => {
  const names: readonly (readonly [string, string])[] = [
    ['photo.jpg', 'photo.jpg'],
    ['Überraschung 🎉.pdf', 'Überraschung 🎉.pdf'],
    ['../../etc/passwd', '_.._etc_passwd'],
    [String.raw`C:\Users\a.txt`, 'C_Users_a.txt'],
    ['..', 'file'],
    ['', 'file'],
    ['.bashrc', 'bashrc'],
    ['a\u0000b\n.txt', 'ab.txt'],
    ['invoice\u202Efdp.exe', 'invoicefdp.exe'],
    ['con', 'con_'],
  ]
  for (const [given, wanted] of names) assert.equal(safeName(given), wanted, given)
  const long = safeName(`${'語'.repeat(500)}.pdf`)
  assert.match(long, /\.pdf$/)
  assert.ok(Buffer.byteLength(long) <= 200)
})
