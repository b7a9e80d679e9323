import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calls, withoutCall } from './addressed.ts'

const self = { userId: '@bot:hs.test', displayName: 'Ductor (dev)' }

function words(body: string, html?: string) {
  return { msgtype: 'm.text', body, ...(html === undefined ? {} : { formatted_body: html }) }
}

function pill(href: string): string {
  return `<a href="${href}">x</a>`
}

test('the bot is called by its id, its name and its local part, at the edges of words', () => {
  for (const body of [
    '@bot:hs.test help',
    'ask @bot:hs.test.',
    'bot: hi',
    'hey @bot',
    'Bot, hi',
    'ductor (dev) please',
    'hi Ductor (dev)!',
  ]) {
    assert.ok(calls(words(body), self), body)
  }
  for (const body of ['robot', 'bottle', 'the bots', 'ductor', '', 'both']) {
    assert.ok(!calls(words(body), self), body)
  }
})

test('the bot is called by a pill, however its link is written, and not by a quoted one', () => {
  for (const href of [
    'https://matrix.to/#/@bot:hs.test',
    'https://matrix.to/#/%40bot%3Ahs.test',
    'https://matrix.to/#/@bot:hs.test?via=hs.test&amp;via=b',
  ]) {
    assert.ok(calls(words('x', pill(href)), self), href)
  }
  for (const html of [
    pill('https://matrix.to/#/@bot:hs.test.evil'),
    pill('https://evil.to/#/@bot:hs.test'),
    `<mx-reply>${pill('https://matrix.to/#/@bot:hs.test')}</mx-reply>x`,
  ]) {
    assert.ok(!calls(words('x', html), self), html)
  }
})

test('a call at the beginning is cut off, and nothing else', () => {
  const link = pill('https://matrix.to/#/@bot:hs.test')
  for (const [body, html, rest] of [
    ['bot: !stop', undefined, '!stop'],
    ['@bot:hs.test !stop', undefined, '!stop'],
    ['@bot:hs.test: !stop', undefined, '!stop'],
    ['Ductor (dev), hi', undefined, 'hi'],
    ['Ductor (dev) hi', link, 'hi'],
    ['bot is broken', undefined, 'bot is broken'],
    ['tell bot: hi', undefined, 'tell bot: hi'],
    ['hi bot', link, 'hi bot'],
  ] as const) {
    assert.equal(withoutCall(words(body, html), self), rest, body)
  }
})

test('a name of one letter calls nobody', () => {
  assert.ok(!calls(words('a b c'), { userId: '@b:hs.test', displayName: 'c' }))
})
