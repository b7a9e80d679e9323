import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { config, warnings } from './config.ts'

const token = '123456789:AAH-abcdefghijklmnopqrstuvwxyz01234'

/** What is wrong with these settings, as `key: message`. */
function wrong(settings: object): readonly string[] {
  const { error } = config.safeParse({ telegram_token: token, ...settings })
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('the settings of Telegram', () => {
  test('are a token, and defaults that let nobody in', () => {
    assert.deepEqual(config.parse({ telegram_token: token, matrix: { homeserver: 'x' } }), {
      telegram_token: token,
      allowed_user_ids: [],
      allowed_group_ids: [],
      group_mention_only: false,
      telegram_api_root: 'https://api.telegram.org',
      streaming: {
        enabled: true,
        telegram: 'auto',
        edit_interval_seconds: 1.5,
        show_tool_progress: true,
        show_thinking_indicator: true,
        show_reasoning_stream: false,
      },
      scene: { seen_reaction: false, status_reaction: true },
    })
  })

  test('say what would be right about how a turn is shown', () => {
    assert.deepEqual(wrong({ streaming: { telegram: 'draft', edit_interval_seconds: 0.1 } }), [
      'streaming.telegram: must be "auto", "drafts" or "edits"',
      'streaming.edit_interval_seconds: must be a number of seconds, 1 or more',
    ])
    assert.deepEqual(wrong({ scene: { status_reaction: 'yes' } }), [
      'scene.status_reaction: must be true or false',
    ])
  })

  test('need a token that looks like one, and say where to get it', () => {
    for (const bad of [undefined, '', ' ', 'abc', '123', 123, ':AAH', '123456789:', 'bot123:AAAAAAAAAA']) {
      const [message, ...more] = wrong({ telegram_token: bad })
      assert.match(message ?? '', /^telegram_token: .*looks like 123456789:AAH.*@BotFather/, String(bad))
      assert.deepEqual(more, [])
    }
    assert.match(wrong({ telegram_token: 'YOUR_TELEGRAM_TOKEN' })[0] ?? '', /placeholder.*@BotFather/)
    const [said = ''] = wrong({ telegram_token: '123456789_AAH-secret-with-a-slip' })
    assert.doesNotMatch(said, /secret/, 'a token with a slip is a secret too')
  })

  test('take ids as numbers or as text, and keep them as text', () => {
    const { allowed_user_ids: users, allowed_group_ids: groups } = config.parse({
      telegram_token: token,
      allowed_user_ids: [4711, ' 4503599627370495 ', '007'],
      allowed_group_ids: [-1001234567890, '-5'],
    })
    assert.deepEqual(users, ['4711', '4503599627370495', '7'])
    assert.deepEqual(groups, ['-1001234567890', '-5'])
  })

  test('refuse names, halves and groups where people belong', () => {
    for (const bad of ['@ann', 'ann', 1.5, '', null, true, 2 ** 60]) {
      assert.match(
        wrong({ allowed_user_ids: [bad] })[0] ?? '',
        /^allowed_user_ids\.0: .*number such as 123456789/,
      )
    }
    assert.match(wrong({ allowed_user_ids: [-1001] })[0] ?? '', /groups belong into allowed_group_ids/)
    assert.match(wrong({ allowed_user_ids: 4711 })[0] ?? '', /must be a list of numbers/)
    assert.match(wrong({ allowed_group_ids: '-5' })[0] ?? '', /must be a list of numbers/)
    assert.match(wrong({ group_mention_only: 'yes' })[0] ?? '', /must be true or false/)
  })

  test('let the token travel only where nobody listens', () => {
    const root = (value: string) =>
      config.parse({ telegram_token: token, telegram_api_root: value }).telegram_api_root
    assert.equal(root('https://bots.example.com/api/'), 'https://bots.example.com/api')
    assert.equal(root('http://127.0.0.1:8081'), 'http://127.0.0.1:8081')
    assert.equal(root('http://localhost:8081/'), 'http://localhost:8081')
    assert.equal(root('http://[::1]:8081'), 'http://[::1]:8081')
    for (const bad of ['http://example.com', 'http://127.0.0.1.example.com', 'http://10.0.0.1']) {
      assert.match(wrong({ telegram_api_root: bad })[0] ?? '', /must begin with https:/)
    }
    for (const bad of ['', 'api.telegram.org', 'ftp://a.bc', 5]) {
      assert.match(wrong({ telegram_api_root: bad })[0] ?? '', /must be the address of a Bot API server/)
    }
    assert.match(wrong({ telegram_api_root: 'https://a:b@c.de' })[0] ?? '', /without a name/)
  })

  test('tell all that is wrong at once', () => {
    assert.equal(
      wrong({ telegram_token: 'x', allowed_user_ids: ['a', 'b'], group_mention_only: 1 }).length,
      4,
    )
  })

  test('warn where nobody may talk, and where a group can never match', () => {
    const of = (settings: object) =>
      warnings(config.parse({ telegram_token: token, allowed_user_ids: [1], ...settings })).map(
        ({ key }) => key,
      )
    assert.deepEqual(of({}), [])
    assert.deepEqual(of({ allowed_user_ids: [] }), ['allowed_user_ids'])
    assert.deepEqual(of({ allowed_group_ids: [1001, -1001] }), ['allowed_group_ids'])
  })
})
