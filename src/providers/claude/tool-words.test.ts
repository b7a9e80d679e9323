import assert from 'node:assert/strict'
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
