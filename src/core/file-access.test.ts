import assert from 'node:assert/strict'
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { sendable } from './file-access.ts'
import { UserError } from './user-error.ts'

function folders(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'ductor-files-'))
  t.after(() => rmSync(root, { recursive: true }))
  const workspace = join(root, 'workspace')
  mkdirSync(join(workspace, 'sub'), { recursive: true })
  writeFileSync(join(workspace, 'report.txt'), 'hello')
  writeFileSync(join(root, 'secret.txt'), 'secret')
  return { root, workspace }
}

test('a file of the workspace may be sent, by its full path or from the workspace on', async (t) => {
  const { workspace } = folders(t)
  for (const path of [join(workspace, 'report.txt'), 'report.txt', './sub/../report.txt']) {
    const file = await sendable(path, { access: 'workspace', workspace })
    assert.deepEqual([file.name, file.size], ['report.txt', 5])
  }
})

test('what lies outside may not, by whatever way it is named', async (t) => {
  const { root, workspace } = folders(t)
  symlinkSync(join(root, 'secret.txt'), join(workspace, 'innocent.txt'))
  symlinkSync(root, join(workspace, 'up'))
  mkdirSync(`${workspace}-2`)
  writeFileSync(join(`${workspace}-2`, 'x'), '')
  for (const path of [
    join(root, 'secret.txt'),
    '../secret.txt',
    'innocent.txt',
    'up/secret.txt',
    '/etc/passwd',
    '~/.ssh/id_rsa',
    join(`${workspace}-2`, 'x'),
    '/no/such/file',
  ]) {
    await assert.rejects(sendable(path, { access: 'workspace', workspace }), /outside the workspace/, path)
  }
})

test('what is not there, or no file, is said so', async (t) => {
  const { workspace } = folders(t)
  await assert.rejects(sendable('gone.txt', { access: 'workspace', workspace }), /not there/)
  await assert.rejects(sendable('sub', { access: 'workspace', workspace }), UserError)
})

test('“all” lets everything out that is a file', async (t) => {
  const { root, workspace } = folders(t)
  assert.equal((await sendable(join(root, 'secret.txt'), { access: 'all', workspace })).size, 6)
})
