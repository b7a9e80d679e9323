import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InMemoryStore } from '../../../tests/contracts/in-memory.ts'
import { config } from './config.ts'
import { diagnose } from './diagnose.ts'
import { FakeTelegram } from './telegram.fake.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }

async function found(more: object, prepare: (telegram: FakeTelegram) => void = () => {}) {
  const telegram = await FakeTelegram.start()
  try {
    prepare(telegram)
    const settings = config.parse({
      telegram_token: telegram.token,
      allowed_user_ids: [1],
      telegram_api_root: telegram.apiRoot,
      ...more,
    })
    return await diagnose(
      settings,
      { home: '/', log, memory: new InMemoryStore() },
      AbortSignal.timeout(10_000),
    )
  } finally {
    await telegram.stop()
  }
}

test('a good token is told with the name of its bot', async () => {
  assert.deepEqual(await found({}), [{ level: 'ok', what: 'telegram: the token is that of @ductor_bot' }])
})

test('a token that Telegram does not know is a problem, and the mend says where another is', async () => {
  const [finding] = await found({ telegram_token: `123456789:${'A'.repeat(35)}` })
  assert.equal(finding?.level, 'problem')
  assert.match(finding?.mend ?? '', /@BotFather/)
})

test('a bot that hears little in groups is told of where groups are allowed, and only there', async () => {
  const shy = (telegram: FakeTelegram) => {
    telegram.world.readsGroups = false
  }
  assert.equal((await found({}, shy)).length, 1)
  const findings = await found({ allowed_group_ids: [-1001] }, shy)
  assert.match(findings[1]?.what ?? '', /in groups the bot hears only/)
})

test('a server that is not there is a problem of the network', async () => {
  const gone = await FakeTelegram.start()
  await gone.stop()
  const [finding] = await found({ telegram_api_root: gone.apiRoot })
  assert.equal(finding?.level, 'problem')
  assert.match(finding?.what ?? '', /^telegram: cannot reach 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/)
})
