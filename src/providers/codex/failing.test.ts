import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { endOf, textOf } from '../../../tests/contracts/provider.ts'
import { eventually } from '../../../tests/support/eventually.ts'
import { plainCodexEnv } from '../../../tests/support/install-codex.ts'
import { all, codexTest, never, noticesOf, sessionOf } from './codex-test.fake.ts'

for (const [code, words] of [
  [401, /not signed in/],
  [429, /usage limit/],
  [500, /OpenAI had an error of its own/],
  [529, /overloaded/],
  [400, /could not do it\. Codex says: .*scripted 400/],
] as const)
  codexTest(
    `an error ${code} of the vendor says what to do, and the next message works`,
    async (on, provider) => {
      const events = await all(provider, on.turn('a', `error ${code}`))
      assert.equal(endOf(events).stop, 'failed')
      assert.match(endOf(events).error ?? '', words)
      const next = on.turn('a', 'say still here', { resume: sessionOf(events) })
      assert.equal(textOf(await all(provider, next)), 'still here')
    },
    { config: 'stream_max_retries = 1' },
  )

codexTest('a 401 ends the turn at once, not after all retries', async (on, provider) => {
  const events = await all(provider, on.turn('a', 'error 401'))
  assert.match(endOf(events).error ?? '', /codex login/)
  assert.equal(on.model.calls.length, 1)
})

codexTest('a usage limit says when it is reset', async (on, provider) => {
  const first = await all(provider, on.turn('a', 'limits hello'))
  assert.match(noticesOf(first).join(), /95 % of the usage limit are used\. It is reset in (59 min|1 h)/)
  const again = await all(provider, on.turn('a', 'limits again', { resume: sessionOf(first) }))
  assert.deepEqual(noticesOf(again), [])
  const over = await all(provider, on.turn('b', 'error 429 {"type":"usage_limit_reached"}'))
  assert.match(endOf(over).error ?? '', /usage limit is reached\. It is reset in (59 min|1 h)/)
})

codexTest('an error that goes by is a notice, once', async (on, provider) => {
  const events = await all(provider, on.turn('a', 'flaky 503'))
  assert.equal(textOf(events), 'at last')
  assert.deepEqual(noticesOf(events), ['OpenAI did not answer (error 503); Codex is trying again.'])
})

codexTest(
  'a vendor that cannot be reached ends the turn within the bound, which Codex has none of',
  async (on, provider) => {
    const events = await all(provider, on.turn('a', 'say hello'))
    assert.match(noticesOf(events)[0] ?? '', /did not answer \(no connection\); Codex is trying again/)
    assert.equal(endOf(events).stop, 'failed')
    assert.match(endOf(events).error ?? '', /could not be reached for 1 s/)
  },
  { url: 'http://127.0.0.1:9/v1', patience: { retryMs: 1000 } },
)

codexTest(
  'a model that never answers ends the turn within the bound',
  async (on, provider) => {
    assert.match(endOf(await all(provider, on.turn('a', 'hang'))).error ?? '', /said nothing for 1 s/)
  },
  { patience: { silenceMs: 1000 } },
)

codexTest(
  'a tool may say nothing for longer than the bound',
  async (on, provider) => {
    const events = await all(
      provider,
      on.turn('a', 'tool bash sleep 4', { permissionMode: 'bypassPermissions' }),
    )
    assert.equal(endOf(events).stop, 'end_turn')
  },
  { patience: { silenceMs: 2500 } },
)

codexTest(
  'who is not signed in is told so, by the turn and by doctor',
  async (on, provider) => {
    const health = await provider.check(never())
    assert.equal(health.installed, true)
    assert.equal(health.version, '0.169.0')
    assert.equal(health.signedIn, false)
    assert.match(health.mend ?? '', /codex login/)
    assert.match(endOf(await all(provider, on.turn('a', 'error 401'))).error ?? '', /codex login/)
  },
  { env: (home, url) => plainCodexEnv(home, `model = "gpt-5.5"\nopenai_base_url = ${JSON.stringify(url)}`) },
)

codexTest('who has a model provider of their own needs no account', async (_, provider) => {
  assert.equal((await provider.check(never())).signedIn, true)
})

codexTest('a session that Codex has lost begins anew, with a notice', async (on, provider) => {
  for (const resume of [randomUUID(), 'no-uuid-at-all']) {
    const events = await all(provider, on.turn('a', 'history', { resume }))
    assert.equal(textOf(events), 'prompts: 1')
    assert.equal(noticesOf(events).length, 1)
    assert.notEqual(sessionOf(events), resume)
  }
})

codexTest(
  'when the process dies every turn says so, and the next message starts another',
  async (on, provider) => {
    const turns = ['a', 'b'].map((key) => on.turn(key, 'slow 10000'))
    const ends = turns.map((turn) => all(provider, turn))
    await eventually(() => on.model.calls.length === 2, 'both turns')
    for (const pid of await on.processes()) process.kill(pid, 'SIGKILL')
    const [one, two] = await Promise.all(ends)
    for (const events of [one, two])
      assert.match(endOf(events ?? []).error ?? '', /Codex ended by SIGKILL before its answer was complete/)
    const next = on.turn('a', 'history', { resume: sessionOf(one ?? []) })
    assert.equal(textOf(await all(provider, next)), 'prompts: 2')
  },
)

codexTest(
  'a Codex whose app server does not work answers by `codex exec`, and says so',
  async (on, provider) => {
    const first = await all(provider, on.turn('a', 'say one by one'))
    assert.equal(textOf(first), 'one by one')
    assert.match(noticesOf(first).join(), /It cannot ask, so it may only read/)
    assert.deepEqual(endOf(first).usage, { inputTokens: 100, outputTokens: 3 })
    const next = await all(provider, on.turn('a', 'history', { resume: sessionOf(first) }))
    assert.equal(textOf(next), 'prompts: 2')
    for (const resume of [randomUUID(), 'no-uuid-at-all']) {
      const anew = await all(provider, on.turn('a', 'history', { resume }))
      assert.equal(textOf(anew), 'prompts: 1')
      assert.equal(noticesOf(anew).filter((notice) => notice.includes('no longer has')).length, 1)
    }
    await all(provider, on.turn('a', `tool bash touch ${on.path('made')}`))
    assert.equal(existsSync(on.path('made')), false)
    await all(
      provider,
      on.turn('a', `tool bash touch ${on.path('made')}`, { permissionMode: 'bypassPermissions' }),
    )
    assert.equal(existsSync(on.path('made')), true)
    assert.match(endOf(await all(provider, on.turn('a', 'error 401'))).error ?? '', /codex login/)
  },
  { noAppServer: true },
)

codexTest(
  'by `codex exec`, too, a vendor that cannot be reached ends the turn within the bound',
  async (on, provider) => {
    const events = await all(provider, on.turn('a', 'say hello'))
    assert.match(endOf(events).error ?? '', /could not be reached for 1 s/)
  },
  { noAppServer: true, url: 'http://127.0.0.1:9/v1', patience: { retryMs: 1000 } },
)
