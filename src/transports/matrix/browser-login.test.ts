import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UserError } from '../../core/user-error.ts'
import { listenForBrowser, tokenIn } from './browser-login.ts'

test('the browser is sent to the homeserver, and brings the token back to this machine', async () => {
  const browser = listenForBrowser('https://hs.example/base')
  try {
    const address = new URL(await browser.address)
    assert.equal(
      address.origin + address.pathname,
      'https://hs.example/base/_matrix/client/v3/login/sso/redirect',
    )
    const back = new URL(address.searchParams.get('redirectUrl') ?? '')
    assert.equal(back.hostname, '127.0.0.1')
    assert.equal((await fetch(back)).status, 404)
    const token = browser.token(AbortSignal.timeout(10_000))
    back.searchParams.set('loginToken', 'a+token/1')
    assert.match(await (await fetch(back)).text(), /You can close this page/)
    assert.equal(await token, 'a+token/1')
  } finally {
    browser.close()
  }
})

test('who gives up waiting is let go', async () => {
  const browser = listenForBrowser('https://hs.example')
  const leaving = new AbortController()
  const token = browser.token(leaving.signal)
  leaving.abort(new Error('left'))
  await assert.rejects(token, /left/)
  browser.close()
})

test('the address that a browser on another machine ended at holds the token, too', () => {
  assert.equal(tokenIn(' http://127.0.0.1:4711/?loginToken=abc '), 'abc')
  assert.equal(tokenIn('abc'), 'abc')
  for (const nothing of ['', 'http://127.0.0.1:4711/']) assert.throws(() => tokenIn(nothing), UserError)
})
