import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Wire } from './telegram-client.fake.ts'

const paragraph = (text: unknown = 'words') => ({ type: 'paragraph', text })
const cell = (text?: string) => ({ ...(text === undefined ? {} : { text }), align: 'left', valign: 'top' })
const nested = (depth: number): object =>
  depth === 0 ? paragraph() : { type: 'blockquote', blocks: [nested(depth - 1)] }

describe('the fake network: rich messages', () => {
  test('have one source, which is not empty', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const send = (rich_message: object) => ['sendRichMessage', { chat_id: 5, rich_message }] as const
    assert.ok((await wire.call(...send({ blocks: [paragraph()] }))).ok)
    assert.deepEqual(wire.network.posts(5)[0]?.rich_message, { blocks: [paragraph()] })
    await wire.refused(...send({}), /exactly one source/)
    await wire.refused(...send({ blocks: [paragraph()], markdown: 'words' }), /exactly one source/)
    await wire.refused(...send({ blocks: [] }), /is empty/)
    for (const empty of ['', ' \n', [], ['', ' '], { type: 'bold', text: '' }]) {
      await wire.refused(...send({ blocks: [paragraph(empty)] }), /is empty/)
    }
    await wire.refused(...send({ blocks: [{ type: 'blockquote', blocks: [] }] }), /is empty/)
    await wire.refused(...send({ blocks: [{ type: 'list', items: [] }] }), /wrong block/)
    await wire.refused(...send({ blocks: [{ type: 'essay', text: 'a' }] }), /wrong block/)
    await wire.refused(...send({ blocks: [{ type: 'heading', text: 'a', size: 7 }] }), /wrong block/)
  })

  test('have 32,768 characters, 500 blocks, 20 columns and 16 levels at most', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const send = (...blocks: object[]) =>
      ['sendRichMessage', { chat_id: 5, rich_message: { blocks } }] as const
    const row = (columns: number) => Array.from({ length: columns }, () => cell('a'))
    const list = (items: number) => ({
      type: 'list',
      items: Array.from({ length: items }, () => ({ blocks: [paragraph('a')] })),
    })
    assert.ok((await wire.call(...send(paragraph('👍'.repeat(32_768))))).ok)
    await wire.refused(...send(paragraph('a'.repeat(32_769))), /too long/)
    // The list itself, its items and what is in them.
    assert.ok((await wire.call(...send(list(249)))).ok)
    await wire.refused(...send(list(250)), /too many blocks/)
    assert.ok((await wire.call(...send({ type: 'table', cells: [row(20)] }))).ok)
    await wire.refused(...send({ type: 'table', cells: [row(21)] }), /too many columns/)
    assert.ok((await wire.call(...send(nested(15)))).ok)
    await wire.refused(...send(nested(16)), /too deep/)
  })

  test('have links as texts have them', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const link = (url: string) => ({
      chat_id: 5,
      rich_message: { blocks: [paragraph({ type: 'url', text: 'here', url })] },
    })
    assert.ok((await wire.call('sendRichMessage', link('https://a.bc'))).ok)
    await wire.refused('sendRichMessage', link('http://localhost/'), /is invalid/)
  })

  test('take the place of a text and give it back, and the same one is no change', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    const { result } = await wire.call('sendMessage', { chat_id: 5, text: 'words' })
    const edit = (more: object) => ({ chat_id: 5, message_id: result.message_id, ...more })
    const rich = edit({ rich_message: { blocks: [paragraph('rich')] } })
    assert.ok((await wire.call('editMessageText', rich)).ok)
    assert.equal(wire.network.posts(5)[0]?.text, undefined)
    await wire.refused('editMessageText', rich, /not modified/)
    await wire.refused('editMessageText', { ...rich, text: 'both' }, /text and rich_message/)
    assert.ok((await wire.call('editMessageText', edit({ text: 'words again' }))).ok)
    assert.equal(wire.network.posts(5)[0]?.rich_message, undefined)
  })

  test('are unknown to older servers', async () => {
    await using wire = await Wire.start()
    wire.network.person(5).starts()
    wire.network.world.offersRich = false
    const rich = { chat_id: 5, rich_message: { blocks: [paragraph()] } }
    await wire.refused('sendRichMessage', rich, /method not found/, 404)
  })
})
