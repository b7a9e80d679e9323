import assert from 'node:assert/strict'
import { test } from 'node:test'
import { factsOf } from './status-facts.ts'

test('what a chat is told of the transports has no secret in it', () => {
  const facts = factsOf({
    transports: [
      {
        name: 'web',
        account: 'http://127.0.0.1:4711/#token=c2VjcmV0LXNlY3JldC1zZWNyZXQ',
        state: 'connected',
        last_event_at: null,
        detail: null,
      },
      {
        name: 'telegram',
        account: null,
        state: 'failed',
        last_event_at: null,
        detail: 'GET https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1/getMe',
      },
    ],
    agents: [],
    turns: { running: 0, queued: 0 },
    outbox: { pending: 0, failed: 0 },
    store: { trouble: null },
    warnings: [],
  })
  assert.doesNotMatch(facts.join('\n'), /c2VjcmV0|AAHdq/)
  assert.match(facts.join('\n'), /web http:\/\/127\.0\.0\.1:4711/)
})
