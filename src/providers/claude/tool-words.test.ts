import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { permissionDetail, permissionTitle, toolTitle } from './tool-words.ts'

const nowhere = { cwd: '/work', plan: undefined }

test('a plan is shown as Claude wrote it, wherever it wrote it', async () => {
  const plan = '1. dig'
  assert.equal((await permissionDetail('ExitPlanMode', { plan }, nowhere)).detail, plan)
  assert.equal((await permissionDetail('ExitPlanMode', {}, { cwd: '/work', plan })).detail, plan)
  assert.match((await permissionDetail('ExitPlanMode', {}, nowhere)).detail, /as Claude told it/)
})

test('a tool of an MCP server is named as a person would, not as Claude writes it', () => {
  assert.equal(toolTitle('mcp__ductor__send_file', { path: 'a.txt' }), 'ductor: send_file a.txt')
  assert.equal(toolTitle('mcp__my_files__list__all', {}), 'my_files: list__all')
  assert.equal(permissionTitle('mcp__mail__send'), 'Use send of mail')
  assert.equal(toolTitle('Bash', { command: 'ls' }), 'Bash: ls')
})

test('several edits of one file are one diff, and $ in the new text is a letter', async () => {
  const edits = [
    { old_string: 'one', new_string: '$&' },
    { old_string: 'two', new_string: 'zwei' },
  ]
  const { detail, language } = await permissionDetail(
    'MultiEdit',
    { file_path: '/nowhere/a', edits },
    nowhere,
  )
  assert.equal(language, 'diff')
  assert.match(detail, /-one\n-two\n\\[^]*\+\$&\n\+zwei/)
})

test('what we do not know is shown whole', async () => {
  const input = { server: 'x', secret: ['y'] }
  assert.deepEqual(await permissionDetail('mcp__x__do', input, nowhere), {
    detail: JSON.stringify(input, null, 2),
    language: 'json',
  })
})

test(
  'a change of what is no file, such as a pipe that nobody writes to, is shown without reading that',
  { skip: process.platform === 'win32' ? 'it has no such pipes' : false, timeout: 10_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ductor-diff-'))
    const path = join(folder, 'pipe')
    execFileSync('sh', ['-c', 'mkfifo "$1"', 'sh', path])
    t.after(() => {
      // Whoever waits in it is let go: the test must end, too.
      closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK))
      rmSync(folder, { recursive: true })
    })
    const detail = permissionDetail(
      'Write',
      { file_path: path, content: 'new' },
      { cwd: folder, plan: undefined },
    )
    assert.match((await detail).detail, /\+new/)
  },
)

test('an edit that would make more than memory holds is shown as it was asked for', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ductor-diff-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'a.txt')
  writeFileSync(path, 'a'.repeat(900_000))
  const input = { file_path: path, old_string: 'a', new_string: 'b'.repeat(100_000), replace_all: true }
  const { detail } = await permissionDetail('Edit', input, { cwd: folder, plan: undefined })
  assert.match(detail, /^-a$/m)
})
