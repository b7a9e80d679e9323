import assert from 'node:assert/strict'
import { test } from 'node:test'
import definition from './index.ts'

const good = {
  homeserver: 'https://matrix-client.matrix.org',
  user_id: '@my_bot:matrix.org',
  password: 'secret',
}

function faults(matrix: unknown): readonly string[] {
  const { error } = definition.config.safeParse({ matrix })
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')} ${message}`)
}

function warned(matrix: object): readonly string[] {
  const config = definition.config.parse({ matrix: { ...good, ...matrix } })
  return (definition.warnings?.(config) ?? []).map(({ key, message }) => `${key} ${message}`)
}

test('the block of the setup guide is taken as it is printed', () => {
  assert.deepEqual(
    faults({ ...good, allowed_rooms: [], allowed_users: ['@me:matrix.org'], store_path: 'matrix_store' }),
    [],
  )
  assert.deepEqual(faults({ ...good, allowed_rooms: [], allowed_users: ['@me:matrix.org'] }), [])
})

test('empty texts stand for what is not there', () => {
  assert.deepEqual(faults({ ...good, access_token: '', device_id: '' }), [])
})

test('a homeserver on this machine may be without encryption', () => {
  for (const host of ['127.0.0.1:8008', 'localhost:8008', '[::1]:8008']) {
    assert.deepEqual(faults({ ...good, homeserver: `http://${host}` }), [])
  }
})

for (const [what, change, expected] of [
  ['a homeserver without https://', { homeserver: 'matrix.org' }, /^matrix\.homeserver .*https:\/\//],
  [
    'a homeserver over http://',
    { homeserver: 'http://matrix.org' },
    /^matrix\.homeserver .*begin with https/,
  ],
  ['a homeserver that only looks local', { homeserver: 'http://127.0.0.1.evil.org' }, /begin with https/],
  ['no homeserver', { homeserver: undefined }, /^matrix\.homeserver the full URL of the homeserver/],
  ['a password in the URL', { homeserver: 'https://a:b@c.org' }, /must not hold a name or a password/],
  [
    'a user id without a server',
    { user_id: 'my_bot' },
    /^matrix\.user_id must be a full user id, @name:server/,
  ],
  ['an empty user id', { user_id: '' }, /^matrix\.user_id is empty/],
  ['the password of the guide', { password: 'YOUR_MATRIX_PASSWORD' }, /still the example of the setup guide/],
  [
    'a token without its device',
    { access_token: 'syt_x' },
    /^matrix\.device_id is missing: access_token works only/,
  ],
  [
    'a device without its token',
    { device_id: 'ABC' },
    /^matrix\.access_token is missing: device_id works only/,
  ],
  ['a user that is none', { allowed_users: ['you'] }, /^matrix\.allowed_users\.0 must be a full user id/],
  ['a room that is none', { allowed_rooms: ['My room'] }, /^matrix\.allowed_rooms\.0 must be a room id/],
  [
    'a folder outside the home',
    { store_path: '../elsewhere' },
    /^matrix\.store_path must be a folder inside/,
  ],
  ['an absolute folder', { store_path: '/etc' }, /^matrix\.store_path/],
] as const) {
  test(`${what} is refused in words that help`, () => {
    const [fault, ...more] = faults({ ...good, ...change })
    assert.deepEqual(more, [])
    assert.match(fault ?? '', expected)
  })
}

test('several faults are told at once', () => {
  assert.equal(faults({ homeserver: 'x', user_id: 'y', allowed_users: ['z'] }).length, 3)
})

test('a missing block says what belongs in it', () => {
  const { error } = definition.config.safeParse({})
  assert.match(error?.issues[0]?.message ?? '', /block with homeserver .* user_id .* password/)
})

test('no message shows a password or a token', () => {
  const told = faults({ homeserver: 'x', user_id: 'y', password: 'hunter2', access_token: 'syt_hunter2' })
  assert.doesNotMatch(told.join(' '), /hunter2/)
})

test('a bot that everyone may command is warned about', () => {
  assert.match(warned({})[0] ?? '', /^matrix\.allowed_users is empty, so everyone who can invite it/)
  assert.match(warned({ allowed_rooms: ['!a:b.org'] })[0] ?? '', /everyone in the allowed rooms/)
  assert.deepEqual(warned({ allowed_users: ['@me:matrix.org'] }), [])
})

test('the example of the guide among the users is warned about', () => {
  assert.match(warned({ allowed_users: ['@you:matrix.org'] })[0] ?? '', /a stranger to you/)
})
