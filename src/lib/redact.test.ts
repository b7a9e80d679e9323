import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redactor } from './redact.ts'

const redact = redactor(['correct "horse" battery', 'abc'])

function logged(fields: object): unknown {
  return JSON.parse(redact(JSON.stringify(fields)))
}

test('a secret under its own name is not logged, however deep it is', () => {
  const config = {
    telegram_token: 'x',
    matrix: { password: 'a"b\\', access_token: 'y' },
    headers: [{ Authorization: 'z' }],
  }
  assert.deepEqual(logged(config), {
    telegram_token: '[hidden]',
    matrix: { password: '[hidden]', access_token: '[hidden]' },
    headers: [{ Authorization: '[hidden]' }],
  })
})

test('the token of a bot is not logged as part of an address', () => {
  const message =
    'request to https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1/getMe failed'
  assert.deepEqual(logged({ message }), {
    message: 'request to https://api.telegram.org/bot[hidden]/getMe failed',
  })
})

test('tokens in headers and queries are not logged', () => {
  assert.deepEqual(
    logged({
      a: 'Authorization: Bearer abcdef.ghijkl',
      b: '/sync?access_token=abc123&since=s1',
      c: 'syt_Zm9vYmFy_abcdefghij',
    }),
    { a: 'Authorization: Bearer [hidden]', b: '/sync?access_token=[hidden]&since=s1', c: '[hidden]' },
  )
})

test('a value that is known to be secret is not logged anywhere', () => {
  assert.deepEqual(logged({ err: { message: 'log-in with correct "horse" battery failed' } }), {
    err: { message: 'log-in with [hidden] failed' },
  })
})

test('ordinary facts stay as they are', () => {
  const facts = {
    usage: { inputTokens: 12, outputTokens: 7 },
    place: 'tg:123456789:77',
    event: '$abc:example.org',
    abc: 'a word as short as a weak secret: abc',
    at: '2026-01-01T00:00:00.000Z',
  }
  assert.deepEqual(logged(facts), facts)
})

test('a line of a file that a person wrote loses its secret too, even where the closing quote is missing', () => {
  assert.equal(redact('  "telegram_token" : "123",'), '  "telegram_token" : "[hidden]",')
  assert.equal(redact('"password": "p",'), '"password": "[hidden]",')
  assert.equal(redact('"password": "p,'), '"password": "[hidden]"')
})
