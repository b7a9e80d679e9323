import assert from 'node:assert/strict'
import { test } from 'node:test'
import { carriedOver, grantOf, suggested } from './grants.ts'
import type { PermissionQuestion } from './wire.ts'

const touch = {
  type: 'addRules',
  behavior: 'allow',
  rules: [{ toolName: 'Bash', ruleContent: 'touch (a) *' }],
}
const folder = { type: 'addDirectories', directories: ['/there'] }
const edits = { type: 'setMode', mode: 'acceptEdits', destination: 'session' }

test('leave for a command is no leave to change files', () => {
  assert.deepEqual(suggested(asking([touch, folder, edits])), [touch, folder])
  assert.deepEqual(suggested(asking([edits, folder])), [edits, folder])
})

test('what was allowed is told to a new process as its settings write it', () => {
  const grant = grantOf(asking([touch, folder, edits]), 'ask')
  assert.equal(grant?.says, 'Bash(touch (a) *), the folder /there')
  assert.deepEqual(carriedOver([grant], 'ask'), {
    permissions: { allow: [String.raw`Bash(touch \(a\) *)`], additionalDirectories: ['/there'] },
  })
})

test('leave to change files is the mode that Claude suggested', () => {
  const grant = grantOf(asking([edits]), 'ask')
  assert.equal(grant?.says, 'changing files')
  assert.equal(carriedOver([grant], 'ask').mode, 'acceptEdits')
})

test('what was allowed in another permission mode is not carried over', () => {
  const grant = grantOf(asking([touch]), 'ask')
  assert.ok(grant)
  for (const mode of ['readOnly', 'plan', 'acceptEdits'] as const)
    assert.deepEqual(carriedOver([grant], mode), {})
})

test('a suggestion that we do not know is kept for no other process', () => {
  for (const strange of [
    { type: 'setMode', mode: 'bypassPermissions' },
    { type: 'addRules', behavior: 'deny', rules: [] },
    { type: 'replaceRules', behavior: 'allow', rules: [] },
  ])
    assert.equal(
      grantOf(asking([touch, strange].slice(strange.type === 'setMode' ? 1 : 0)), 'ask'),
      undefined,
    )
  assert.equal(grantOf(asking([]), 'ask'), undefined)
})

function asking(suggestions: readonly object[]): PermissionQuestion {
  return {
    subtype: 'can_use_tool',
    tool_name: 'Bash',
    input: {},
    permission_suggestions: suggestions.map((each) => ({ ...each })),
  }
}
