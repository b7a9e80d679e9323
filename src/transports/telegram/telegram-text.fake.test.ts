import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

describe('the fake network: text', () => {
  test('is counted in code points, after it was trimmed', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const send = (text: string) => wire.call('sendMessage', { chat_id: 5, text })
    assert.equal((await send('😀'.repeat(4096))).ok, true)
    await wire.refused('sendMessage', { chat_id: 5, text: 'x'.repeat(4097) }, /message is too long/)
    await wire.refused('sendMessage', { chat_id: 5, text: '' }, /message text is empty/)
    await wire.refused('sendMessage', { chat_id: 5 }, /message text is empty/)
    for (const blank of [' ', '\n\n', '\u200B', '\u2060 \u3164', '\uFE0F']) {
      await wire.refused('sendMessage', { chat_id: 5, text: blank }, /text must be non-empty/)
    }
    assert.equal((await send('  a \n')).result.text, 'a')
    assert.equal((await send('a\tb')).result.text, 'a b')
    assert.ok(wire.network.lints.length >= 2)
  })

  test('has looks that keep within it, and links that Telegram takes', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const bad = (text: string, entity: object, why: RegExp) =>
      wire.refused('sendMessage', { chat_id: 5, text, entities: [entity] }, why)
    await bad('abc', { type: 'bold', offset: 2, length: 2 }, /ends after the end of the text/)
    await bad('abc', { type: 'bold', offset: -1, length: 2 }, /incorrect offset/)
    await bad('a😀', { type: 'bold', offset: 0, length: 2 }, /ends in a middle of a UTF-16 symbol/)
    await bad('😀a', { type: 'bold', offset: 1, length: 2 }, /begins in a middle of a UTF-16 symbol/)
    await bad('abc', { type: 'shiny', offset: 0, length: 1 }, /unsupported entity type/)
    const urls = [
      '',
      'localhost',
      'http://localhost',
      'src/a.ts',
      'file:///a',
      'vscode://a',
      'http://a.b:0',
      'http://u@a.b',
    ]
    for (const url of urls) await bad('abc', { type: 'text_link', offset: 0, length: 1, url }, /Entity URL/)
    for (const url of [
      'https://a.bc',
      'http://1.2.3.4:80/x?y#z',
      'tg://user?id=1',
      'https://bücher.example/ü',
    ]) {
      const entities = [{ type: 'text_link', offset: 0, length: 3, url }]
      assert.equal((await wire.call('sendMessage', { chat_id: 5, text: 'abc', entities })).ok, true, url)
    }
  })

  test('lints what the server would mend', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const lints = async (...entities: readonly object[]): Promise<number> => {
      const before = wire.network.lints.length
      const text = `abc def ${wire.network.history.length}`
      assert.equal((await wire.call('sendMessage', { chat_id: 5, text, entities })).ok, true)
      return wire.network.lints.length - before
    }
    assert.equal(
      await lints({ type: 'bold', offset: 0, length: 7 }, { type: 'italic', offset: 4, length: 3 }),
      0,
    )
    assert.equal(
      await lints({ type: 'blockquote', offset: 0, length: 7 }, { type: 'pre', offset: 4, length: 3 }),
      0,
    )
    assert.equal(
      await lints({ type: 'bold', offset: 0, length: 7 }, { type: 'code', offset: 4, length: 3 }),
      1,
    )
    assert.equal(
      await lints({ type: 'bold', offset: 0, length: 5 }, { type: 'italic', offset: 4, length: 3 }),
      1,
    )
    assert.equal(await lints({ type: 'bold', offset: 3, length: 1 }), 1)
    const many = Array.from({ length: 101 }, () => ({ type: 'bold', offset: 0, length: 3 }))
    assert.ok((await lints(...many)) > 0)
    assert.equal(wire.network.posts(5).at(-1)?.entities?.length, 100)
  })

  test('has 32,768 bytes at most, before it is trimmed', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const long = { chat_id: 5, text: `a${' '.repeat(32_768)}` }
    await wire.refused('sendMessage', long, /message is too long/)
    assert.ok((await wire.call('sendMessage', { chat_id: 5, text: `a${' '.repeat(32_767)}` })).ok)
  })

  test('has looks of about 9,000 bytes at most, their links among them', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const link = (length: number) => ({
      type: 'text_link',
      offset: 0,
      length: 1,
      url: `https://a.bc/${'x'.repeat(length)}`,
    })
    assert.ok((await wire.call('sendMessage', { chat_id: 5, text: 'a', entities: [link(8000)] })).ok)
    const two = [link(8000), { ...link(1000), offset: 1 }]
    await wire.refused('sendMessage', { chat_id: 5, text: 'ab', entities: two }, /ENTITIES_TOO_LONG/)
  })

  test('is never read as Markdown or HTML: whoever lets it be parsed is refused', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    for (const parse_mode of ['HTML', 'Markdown', 'MarkdownV2'])
      await wire.refused('sendMessage', { chat_id: 5, text: 'a', parse_mode }, /can't parse entities/)
  })

  test('that is sent twice within three seconds is linted: it may be a double', async () => {
    await using wire = await Wire.start()
    wire.network.world.freeze()
    wire.network.person(5).starts()
    const send = () => wire.call('sendMessage', { chat_id: 5, text: 'a' })
    await send()
    wire.network.world.advance(3001)
    await send()
    assert.deepEqual(wire.network.lints, [])
    await send()
    assert.match(wire.network.lints.join(), /twice within 3 s/)
  })

  test('loses control characters, marks of direction and some on letters, and its looks move along', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const entities = [{ type: 'bold', offset: 4, length: 2 }]
    const text = 'a\u0000\u202E\rb\u030A'
    const { result } = await wire.call('sendMessage', { chat_id: 5, text, entities })
    assert.deepEqual([result.text, result.entities], ['a b', [{ type: 'bold', offset: 2, length: 1 }]])
    assert.match(wire.network.lints.join(), /control characters/)
    await wire.refused('sendMessage', { chat_id: 5, text: 'a\uD83D' }, /must be encoded in UTF-8/)
  })

  test('takes looks along when its ends are trimmed', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const entities = [{ type: 'bold', offset: 2, length: 3 }]
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: '  ab ', entities })
    assert.deepEqual([result.text, result.entities], ['ab', [{ type: 'bold', offset: 0, length: 2 }]])
  })
})
