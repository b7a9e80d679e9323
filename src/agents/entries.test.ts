import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { entriesIn, readEntries } from './entries.ts'

const main = {
  telegram_token: '1:main',
  allowed_user_ids: [1],
  provider: 'claude',
  permission_mode: 'ask',
  matrix: { user_id: '@bot:example.org' },
}

test('an entry takes over how the main agent works, and nothing of who it is or who may talk to it', () => {
  const list = [{ name: 'coder', telegram_token: '2:coder', allowed_user_ids: [1], provider: 'codex' }]
  assert.deepEqual(entriesIn(list, main), {
    problems: [],
    entries: [
      {
        name: 'coder',
        file: {
          telegram_token: '2:coder',
          allowed_user_ids: [1],
          provider: 'codex',
          permission_mode: 'ask',
          transports: ['telegram'],
        },
      },
    ],
  })
})

test('a Matrix entry runs on Matrix alone, whatever the main agent runs on', () => {
  const matrix = { homeserver: 'https://example.org', user_id: '@coder:example.org' }
  const { entries } = entriesIn([{ name: 'coder', transport: 'matrix', matrix }], {
    ...main,
    transports: ['telegram', 'matrix'],
  })
  assert.deepEqual(entries[0]?.file['transports'], ['matrix'])
})

test('an account that another agent has is refused, for that entry alone', () => {
  const { entries, problems } = entriesIn(
    [
      { name: 'a', telegram_token: '1:main' },
      { name: 'b', telegram_token: '2:b' },
      { name: 'c', telegram_token: '2:b' },
      { name: 'd', transport: 'matrix', matrix: { user_id: '@bot:example.org' } },
    ],
    main,
  )
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['b'],
  )
  assert.deepEqual(problems, [
    'agents.json, a: has the telegram_token of main; it needs its own',
    'agents.json, c: has the telegram_token of b; it needs its own',
    'agents.json, d: has the matrix account of main; it needs its own',
  ])
})

test('a name that makes no sense is said, and a file that makes none', () => {
  const names = [{ name: 'main' }, { name: '../x' }, {}, { name: 'a' }, { name: 'a' }]
  assert.equal(entriesIn(names, main).problems.length, 4)
  assert.match(entriesIn({}, main).problems[0] ?? '', /must be a list/)
})

test('a file that is no JSON is told by line and column, and without what stands in it', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'ductor-entries-'))
  t.after(() => rmSync(home, { recursive: true }))
  writeFileSync(join(home, 'agents.json'), '[\n  { "name": "a", "telegram_token": 12:secret }\n]')
  const { problems } = await readEntries(home, main)
  assert.deepEqual(problems, ['agents.json, line 2, column 38: a comma is missing before this'])
})
