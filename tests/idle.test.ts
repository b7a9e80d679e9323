import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeTelegram } from '../src/transports/telegram/telegram.fake.ts'
import { Home } from './support/ductor.ts'

/** What only work needs, or what a lighter one stands in for; each would cost megabytes for as long as ductor waits. */
const heavy =
  /^(?:@clack|@hono|@modelcontextprotocol|@agentclientprotocol|@matrix-org|croner|hono|mdast-|micromark|node-fetch|semver|sharp)/

test('a ductor that waits on Telegram has loaded nothing that only work needs', async (t) => {
  const telegram = await FakeTelegram.start()
  t.after(() => telegram.stop())
  await using home = new Home({
    transports: ['telegram'],
    telegram_token: telegram.token,
    telegram_api_root: telegram.apiRoot,
    allowed_user_ids: [4711],
    provider: 'demo',
  })
  const list = join(home.folder, 'loaded')
  const preload = new URL('./support/list-loaded.ts', import.meta.url).href
  const running = home.startWith({ DUCTOR_LOADED: list, NODE_OPTIONS: `--import ${preload}` })
  await running.ready()
  await running.stop()
  const loaded = new Set(
    readFileSync(list, 'utf8')
      .split('\n')
      .flatMap((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []),
  )
  assert.ok(
    loaded.has('grammy') && loaded.has('zod'),
    `the list is that of the program: ${[...loaded].join(' ')}`,
  )
  assert.deepEqual(
    [...loaded].filter((name) => heavy.test(name)),
    [],
  )
})
