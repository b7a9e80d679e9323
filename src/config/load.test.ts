import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { adapters } from '../cli/load.ts'
import { loadConfig, loadForTrial, type Loaded } from './load.ts'
import { sentence } from './problem.ts'

const token = '123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1'

// The three files of the setup guide, letter by letter.
const optionB = `{
  "transports": ["telegram", "matrix"],

  "telegram_token": "YOUR_TELEGRAM_TOKEN",
  "allowed_user_ids": [123456789],

  "matrix": {
    "homeserver": "https://matrix-client.matrix.org",
    "user_id": "@my_ductor_bot:matrix.org",
    "password": "YOUR_MATRIX_PASSWORD",
    "allowed_rooms": [],
    "allowed_users": ["@you:matrix.org"],
    "store_path": "matrix_store"
  }
}`
const optionC = `{
  "transport": "matrix",

  "matrix": {
    "homeserver": "https://matrix-client.matrix.org",
    "user_id": "@my_ductor_bot:matrix.org",
    "password": "YOUR_MATRIX_PASSWORD",
    "allowed_rooms": [],
    "allowed_users": ["@you:matrix.org"]
  }
}`
const telegramAlone = `{
  "telegram_token": "YOUR_TELEGRAM_TOKEN",
  "allowed_user_ids": [123456789]
}`

/** The person's own values in place of the guide's. */
function filledIn(guide: string): string {
  return guide
    .replace('YOUR_TELEGRAM_TOKEN', token)
    .replace('YOUR_MATRIX_PASSWORD', 'correct horse')
    .replace('@you:matrix.org', '@me:matrix.org')
}

function homeWith(t: TestContext, config: string | object | undefined): string {
  const home = mkdtempSync(join(tmpdir(), 'ductor-config-'))
  t.after(() => rmSync(home, { recursive: true }))
  mkdirSync(join(home, 'config'))
  if (config === undefined) return home
  const text = typeof config === 'string' ? config : JSON.stringify(config, null, 2)
  writeFileSync(join(home, 'config', 'config.json'), text, { mode: 0o600 })
  return home
}

function load(t: TestContext, config: string | object | undefined): Promise<Loaded> {
  return loadConfig(homeWith(t, config), adapters)
}

async function good(t: TestContext, config: string | object) {
  const loaded = await load(t, config)
  assert.ok(loaded.state === 'good', JSON.stringify(loaded))
  return loaded.config
}

async function wrong(t: TestContext, config: string | object) {
  const loaded = await load(t, config)
  assert.ok(loaded.state === 'wrong', JSON.stringify(loaded.state))
  return { ...loaded, lines: loaded.problems.map(sentence) }
}

function names(config: { transports: readonly { definition: { name: string } }[] }): string[] {
  return config.transports.map(({ definition }) => definition.name)
}

test('Option B of the guide runs Telegram and Matrix, and nothing about it is odd', async (t) => {
  const config = await good(t, filledIn(optionB))
  assert.deepEqual(names(config), ['telegram', 'matrix'])
  assert.deepEqual(config.warnings, [])
})

test('Option C of the guide runs Matrix alone, without a word about Telegram', async (t) => {
  const config = await good(t, filledIn(optionC))
  assert.deepEqual(names(config), ['matrix'])
  assert.deepEqual(config.warnings, [])
})

test('the Telegram part of the guide alone runs Telegram', async (t) => {
  const config = await good(t, filledIn(telegramAlone))
  assert.deepEqual(names(config), ['telegram'])
  assert.deepEqual(config.warnings, [])
  assert.equal(config.core.permission_mode, 'ask')
  assert.equal(config.core.shutdown_grace_seconds, 10)
  assert.equal(config.core.backlog_max_age_minutes, 60)
})

test('the placeholders of the guide are named, each under its key', async (t) => {
  const { problems, begun } = await wrong(t, optionB)
  assert.deepEqual(problems.map(({ key }) => key).toSorted(), ['matrix.password', 'telegram_token'])
  // The homeserver and the account stand there already: this file was begun.
  assert.equal(begun, true)
  assert.equal((await wrong(t, telegramAlone)).begun, false)
  assert.equal((await wrong(t, {})).begun, false)
})

test('a file is never written, whatever is in it', async (t) => {
  for (const text of [filledIn(optionB), telegramAlone, '{ broken', '{"unknown": 1}', '']) {
    const home = homeWith(t, text)
    const path = join(home, 'config', 'config.json')
    const before = statSync(path, { bigint: true })
    await loadConfig(home, adapters)
    const after = statSync(path, { bigint: true })
    assert.equal(readFileSync(path, 'utf8'), text)
    assert.equal(after.mtimeNs, before.mtimeNs)
    assert.equal(after.ino, before.ino)
  }
})

test('a home without a file is told from one with a wrong file', async (t) => {
  assert.equal((await load(t, undefined)).state, 'missing')
})

test('all that is wrong is said at once, each with its key and what would be right', async (t) => {
  const { problems } = await wrong(t, {
    transports: ['telegram', 'matrix', 'telegram', 'Matrx'],
    telegram_token: 'no token',
    allowed_user_ids: 'me',
    matrix: { homeserver: 'matrix.org', user_id: 'bot' },
    provider: 'cluade',
    permission_mode: 'yolo',
    log_level: 'loud',
    user_timezone: 'Mars/Olympus',
    shutdown_grace_seconds: -1,
    backlog_max_age_minutes: '60',
    providers: [],
  })
  assert.deepEqual(problems.map(({ key }) => key).toSorted(), [
    'allowed_user_ids',
    'backlog_max_age_minutes',
    'log_level',
    'matrix.homeserver',
    'matrix.user_id',
    'permission_mode',
    'provider',
    'providers',
    'shutdown_grace_seconds',
    'telegram_token',
    'transports',
    'transports',
    'user_timezone',
  ])
  for (const problem of problems) {
    assert.notEqual(problem.wrong, '', problem.key)
    assert.notEqual(problem.right, '', problem.key)
  }
})

test('a problem shows the wrong value, unless it is a secret', async (t) => {
  const { lines } = await wrong(t, {
    telegram_token: 'hunter2',
    permission_mode: 'constructor',
    backlog_max_age_minutes: '60',
  })
  assert.ok(lines.includes('backlog_max_age_minutes: is "60" – it must be a number of minutes'))
  assert.ok(
    lines.some((line) => line.startsWith('permission_mode: is "constructor" – it must be one of ask,')),
  )
  assert.doesNotMatch(lines.join('\n'), /hunter2/)
})

test('a key that both transports read is complained of once', async (t) => {
  const { problems } = await wrong(t, { ...JSON.parse(filledIn(optionB)), group_mention_only: 'yes' })
  assert.deepEqual(
    problems.map(({ key }) => key),
    ['group_mention_only'],
  )
})

test('JSON that is broken is found by line and column, with the line', async (t) => {
  const cases: readonly (readonly [text: string, key: string, what: RegExp])[] = [
    ['{\n  "a": 1,\n}', 'line 3, column 1', /comma before the closing bracket/],
    ['{\n  "a": [1, 2,]\n}', 'line 2, column 14', /comma before the closing bracket/],
    ['{\n  // mine\n  "a": 1\n}', 'line 2, column 3', /no comments[^]*\/\/ mine/],
    ['{\n  "a": 1\n  "b": 2\n}', 'line 3, column 3', /comma is missing before this[^]*"b": 2/],
    ["{'a': 1}", 'line 1, column 2', /double quotes/],
    ['{\n  "a": 1', 'line 2, column 9', /ends too early/],
    ['{\n  "a": tru\n}', 'line 2, column 8', /a value is expected/],
    ['{\n  "a": "x\n}', 'line 2, column 8', /closing " is missing/],
    [String.raw`{"a": "C:\dir"}`, 'line 1, column 7', /written twice/],
    ['', 'line 1, column 1', /empty/],
  ]
  for (const [text, key, what] of cases) {
    const { problems } = await wrong(t, text)
    assert.deepEqual(
      problems.map((problem) => problem.key),
      [key],
      text,
    )
    assert.match(problems[0]?.wrong ?? '', what)
  }
})

test('a line that is shown because it is broken shows no secret', async (t) => {
  const { lines } = await wrong(t, `{\n  "provider": "claude" "telegram_token": "${token}"\n}`)
  assert.match(lines.join('\n'), /telegram_token/)
  assert.doesNotMatch(lines.join('\n'), /AAHdq/)
})

test('a file that is JSON but no block says so', async (t) => {
  assert.deepEqual((await wrong(t, '[]')).lines, [
    'config.json: is not one block – the whole file must be { … }',
  ])
})

test('a mark at the beginning that Windows editors write does no harm', async (t) => {
  await good(t, `\uFEFF${filledIn(telegramAlone)}`)
})

test('transports: a list that is not empty wins, an empty one leaves it to transport', async (t) => {
  const all = JSON.parse(filledIn(optionB))
  assert.deepEqual(names(await good(t, { ...all, transport: 'telegram', transports: ['matrix'] })), [
    'matrix',
  ])
  assert.deepEqual(names(await good(t, { ...all, transport: 'matrix', transports: [] })), ['matrix'])
  assert.deepEqual(names(await good(t, { ...all, transports: undefined })), ['telegram'])
})

test('an unknown transport is answered with those that there are', async (t) => {
  const { lines } = await wrong(t, { transport: 'Matrix' })
  assert.match(
    lines.join(),
    /^transport: there is no transport “Matrix” – did you mean “matrix”\? \(there are /,
  )
})

test('an unknown key is a warning with the nearest known name, and one that comes later says so', async (t) => {
  const file = JSON.parse(filledIn(optionB))
  file.alowed_user_ids = []
  file.matrix.alowed_users = []
  file.docker = { enabled: true }
  file.providers = { demo: { evn: {} }, cluade: {} }
  const { warnings, providers } = await good(t, file)
  const all = [...providers.keys()].join(', ')
  assert.deepEqual(
    warnings.map(({ key, message }) => `${key} ${message}`),
    [
      'matrix.alowed_users is no key of ductor; did you mean allowed_users?',
      'alowed_user_ids is no key of ductor; did you mean allowed_user_ids?',
      'docker is known, but not supported yet: this version does not act on it',
      `providers.cluade this version cannot run it; there are ${all}, and any agent with "protocol": "acp" and a command`,
      'providers.demo.evn is no key of ductor; did you mean env?',
    ],
  )
})

test('settings of a transport that does not run are known keys, and it is said that it does not run', async (t) => {
  const { warnings } = await good(t, { ...JSON.parse(filledIn(optionB)), transports: ['telegram'] })
  assert.deepEqual(
    warnings.map(({ key, message }) => `${key}: ${message}`),
    ['transports: matrix has its settings in the file, but does not run: “transports” does not name it'],
  )
})

test('the names of other CLIs for how much the agent may do are understood', async (t) => {
  const mode = async (permission_mode: string) =>
    (await good(t, { ...JSON.parse(filledIn(telegramAlone)), permission_mode })).core.permission_mode
  assert.equal(await mode('default'), 'ask')
  assert.equal(await mode('full-access'), 'bypassPermissions')
  assert.equal(await mode('workspace-write'), 'acceptEdits')
  assert.equal(await mode('plan'), 'plan')
})

test('a file with secrets that others may read is a warning, and so is .env', async (t) => {
  const home = homeWith(t, filledIn(telegramAlone))
  chmodSync(join(home, 'config', 'config.json'), 0o644)
  writeFileSync(join(home, '.env'), 'KEY=value', { mode: 0o640 })
  const loaded = await loadConfig(home, adapters)
  assert.ok(loaded.state === 'good')
  assert.deepEqual(
    loaded.config.warnings.map(({ message }) => message.replace(/.*chmod/, 'chmod')),
    [`chmod 600 ${home}/config/config.json`, `chmod 600 ${home}/.env`],
  )
})

test('the secrets of the file are known by value, so that the log can hide them', async (t) => {
  const { secrets } = await good(t, {
    ...JSON.parse(filledIn(optionB)),
    providers: { demo: { env: { SOME_API_KEY: 'sesame', LANG: 'C' } } },
  })
  assert.deepEqual([...secrets].toSorted(), [token, 'correct horse', 'sesame'].toSorted())
})

test('ductor try needs no file, and takes from one what concerns the agent alone', async (t) => {
  const bare = await loadForTrial(homeWith(t, undefined), adapters, { port: 1234 })
  assert.ok(bare.state === 'good')
  assert.deepEqual(names(bare.config), ['web'])
  const home = homeWith(t, { transport: 'telegram', telegram_token: 'nonsense', provider: 'demo' })
  const loaded = await loadForTrial(home, adapters, {})
  assert.ok(loaded.state === 'good')
  assert.equal(loaded.config.core.provider, 'demo')
  assert.deepEqual(names(loaded.config), ['web'])
})

test('a block with the protocol acp is a provider of its own name, and may be chosen', async (t) => {
  const opencode = { protocol: 'acp', command: ['opencode', 'acp'] }
  const file = { ...JSON.parse(filledIn(optionB)), provider: 'opencode', providers: { opencode } }
  const { core, providers, warnings } = await good(t, file)
  assert.equal(core.provider, 'opencode')
  assert.equal(providers.get('opencode')?.definition.name, 'opencode')
  assert.equal(providers.has('acp'), false)
  assert.deepEqual(warnings, [])
})

test('what is wrong with a block of the protocol acp is told with its key', async (t) => {
  const { lines } = await wrong(t, {
    ...JSON.parse(filledIn(optionB)),
    provider: 'gose',
    providers: {
      goose: { protocol: 'acp' },
      opencode: { protocol: 'acp', command: [] },
      crow: { protocol: 'smtp', command: ['crow'] },
    },
  })
  assert.match(lines.join('\n'), /^providers\.goose\.command: is missing – /m)
  assert.match(
    lines.join('\n'),
    /^providers\.opencode\.command: is \[\] – it must be a list with the program first/m,
  )
  assert.match(lines.join('\n'), /^providers\.crow\.protocol: is "smtp" – there is "acp"/m)
  assert.match(lines.join('\n'), /^provider: this version cannot run “gose” – did you mean “goose”\?/m)
})

test('a block of the protocol acp takes the place of the provider whose name it has', async (t) => {
  const claude = { protocol: 'acp', command: ['claude-agent-acp'], idle_minuts: 3 }
  const { providers, warnings } = await good(t, { ...JSON.parse(filledIn(optionB)), providers: { claude } })
  assert.equal(typeof providers.get('claude')?.definition.called, 'function')
  assert.deepEqual(
    warnings.map(({ key, message }) => `${key} ${message}`),
    ['providers.claude.idle_minuts is no key of ductor; did you mean idle_minutes?'],
  )
})
