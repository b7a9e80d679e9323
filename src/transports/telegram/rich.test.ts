import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Place } from '../../core/message.ts'
import { DeliveryError, type Content, type Operation } from '../../core/transport.ts'
import type { Part, View } from '../../core/view.ts'
import { accepted } from './accepted.fake.ts'
import { richMarkdown } from './rich-markdown.ts'
import { Stage } from './stage.fake.ts'

const owner = 4711
const place: Place = { key: `tg:${owner}`, transport: 'telegram', chat: String(owner) }
const ended = (text: string, ...more: readonly Part[]): View => ({
  state: 'ended',
  parts: [{ kind: 'text', text }, ...more],
  choices: [],
})
const table = '# Costs\n\n| What | Euros |\n| --- | ---: |\n| **Rent** | 900 |\n|  | [see](https://a.bc) |'

/** A chat whose people have said that they see rich messages. */
async function seeing(): Promise<Stage> {
  const stage = await Stage.open()
  stage.network.person(owner).starts()
  await stage.transport.ownCommands[0]?.run?.('yes', place)
  return stage
}

function post(content: Content, key = 'k'): Operation {
  return { type: 'post', place, content, key, notify: true }
}

describe('Markdown in blocks', () => {
  test('is headings, tables, lists, quotes and code as what they are', () => {
    assert.deepEqual(richMarkdown(table), [
      { type: 'heading', text: ['Costs'], size: 1 },
      {
        type: 'table',
        is_bordered: true,
        cells: [
          [
            { text: ['What'], is_header: true, align: 'left', valign: 'top' },
            { text: ['Euros'], is_header: true, align: 'right', valign: 'top' },
          ],
          [
            { text: [{ type: 'bold', text: ['Rent'] }], align: 'left', valign: 'top' },
            { text: ['900'], align: 'right', valign: 'top' },
          ],
          [
            { align: 'left', valign: 'top' },
            { text: [{ type: 'url', text: ['see'], url: 'https://a.bc' }], align: 'right', valign: 'top' },
          ],
        ],
      },
    ])
    assert.deepEqual(richMarkdown('3. three\n   - [x] done\n   - [ ] open\n4. four'), [
      {
        type: 'list',
        items: [
          {
            blocks: [
              { type: 'paragraph', text: ['three'] },
              {
                type: 'list',
                items: [
                  { blocks: [{ type: 'paragraph', text: ['done'] }], has_checkbox: true, is_checked: true },
                  { blocks: [{ type: 'paragraph', text: ['open'] }], has_checkbox: true },
                ],
              },
            ],
            value: 3,
            type: '1',
          },
          { blocks: [{ type: 'paragraph', text: ['four'] }], value: 4, type: '1' },
        ],
      },
    ])
    assert.deepEqual(richMarkdown('> quoted\n\n---\n\n```ts\nlet a\n```'), [
      { type: 'blockquote', blocks: [{ type: 'paragraph', text: ['quoted'] }] },
      { type: 'divider' },
      { type: 'pre', text: 'let a', language: 'ts' },
    ])
  })

  test('brings nothing from outside: pictures are links, HTML is letters, bad links are written out', () => {
    assert.deepEqual(richMarkdown('![a cat](https://a.bc/cat.png)'), [
      { type: 'paragraph', text: [{ type: 'url', text: '🖼 a cat', url: 'https://a.bc/cat.png' }] },
    ])
    assert.deepEqual(richMarkdown('<img src="https://a.bc/x.png">'), [
      { type: 'paragraph', text: '<img src="https://a.bc/x.png">' },
    ])
    assert.deepEqual(richMarkdown('[here](src/a.ts)'), [
      { type: 'paragraph', text: [[['here'], ' (src/a.ts)']] },
    ])
  })

  test('leaves out what says nothing: Telegram takes no empty block', () => {
    assert.deepEqual(richMarkdown('#\n\n>\n\n```\n```\n\n- '), [
      { type: 'list', items: [{ blocks: [{ type: 'paragraph', text: '–' }] }] },
    ])
  })
})

describe('a chat whose people see rich messages', () => {
  test('gets a finished answer with a table as one, with tools, files and buttons around it', async () => {
    await using stage = await seeing()
    const tool: Part = { kind: 'tool', id: 't', title: 'ls', status: 'completed' }
    const file: Part = { kind: 'file', path: '/a', name: 'a.txt', mimeType: 'text/plain', size: 1 }
    const view: View = {
      state: 'ended',
      parts: [tool, { kind: 'text', text: table }, file, { kind: 'footer', text: 'opus' }],
      choices: [{ token: 't', label: 'Yes' }],
    }
    const contents = stage.transport.render(view, place)
    assert.deepEqual(accepted(contents), ['✓ ls\nCosts\nWhat Euros\nRent 900\n see\nopus', 'a.txt'])
    assert.ok(contents[0]?.['reply_markup'] !== undefined)
    await stage.transport.deliver(post(contents[0] ?? {}), stage.signal)
    assert.equal(stage.network.posts(owner)[0]?.rich_message?.blocks.length, 4)
    assert.deepEqual(stage.network.lints, [])
  })

  test('gets text as long as the turn runs, and where text shows all of it', async () => {
    await using stage = await seeing()
    const isText = (view: View) => stage.transport.render(view, place).every(({ text }) => text !== undefined)
    assert.ok(isText({ ...ended(table), state: 'working' }))
    assert.ok(isText(ended('**Bold**, `code`\n\n```\nand more\n```')))
    assert.ok(!isText(ended('- a list')))
  })

  test('gets an answer that is too large for one in several, and a table that is too wide as text', async () => {
    await using stage = await seeing()
    const sections = Array.from({ length: 300 }, (_, index) => `# Part ${index}\n\n${'word '.repeat(30)}`)
    const several = stage.transport.render(ended(sections.join('\n\n')), place)
    assert.equal(several.length, 2)
    const words = accepted(several).join('\n')
    for (const [index] of sections.entries()) assert.match(words, new RegExp(`Part ${index}\\n`))
    const row = `|${' a |'.repeat(21)}`
    const wide = stage.transport.render(ended(`${row}\n|${' - |'.repeat(21)}\n${row}`), place)
    assert.ok(wide.every(({ text }) => text !== undefined))
  })

  test('has a running text turned into the rich answer by an edit, and no other message', async () => {
    await using stage = await seeing()
    const [running = {}] = stage.transport.render({ ...ended(table), state: 'working' }, place)
    const ref = await stage.transport.deliver(post(running), stage.signal)
    const [content = {}] = stage.transport.render(ended(table), place)
    const edit: Operation = { type: 'edit', place, content, ref, key: 'e' }
    await stage.transport.deliver(edit, stage.signal)
    // Once more is as good as once.
    await stage.transport.deliver(edit, stage.signal)
    const [message, another] = stage.network.posts(owner)
    assert.equal(message?.rich_message?.blocks.length, 2)
    assert.equal(another, undefined)
  })

  for (const method of ['sendRichMessage', 'editMessageText']) {
    test(`gets text where Telegram does not take a rich message (${method})`, async () => {
      await using stage = await seeing()
      const { transport, network } = stage
      const view = ended(table)
      const [content = {}] = transport.render(view, place)
      const ref = await transport.deliver(post({ text: 'running', entities: [] }), stage.signal)
      const operation = (wire: Content): Operation =>
        method === 'sendRichMessage'
          ? post(wire, 'answer')
          : { type: 'edit', place, content: wire, ref, key: 'e' }
      network.world.offersRich = false
      const error: unknown = await transport
        .deliver(operation(content), stage.signal)
        .catch((e: unknown) => e)
      assert.ok(error instanceof DeliveryError && error.failure === 'unreachable', String(error))
      const [text = {}] = transport.render(view, place)
      assert.match(String(text['text']), /Costs/)
      await transport.deliver(operation(text), stage.signal)
      assert.match(network.posts(owner).at(-1)?.text ?? '', /Costs/)
    })
  }

  test('has a rich answer whose fate is unknown looked for, and not sent again', async () => {
    await using stage = await seeing()
    const { network, transport } = stage
    network.person(owner).writes('go')
    await stage.connect()
    await stage.taken(1)
    const [content = {}] = transport.render(ended(table), place)
    network.breaks('sendRichMessage', { how: 'answer-lost' })
    const operation = { type: 'post', place, content, key: 'k', notify: true } as const
    const error: unknown = await transport.deliver(operation, stage.signal).catch((e: unknown) => e)
    assert.ok(error instanceof DeliveryError && error.failure === 'unknown')
    const found = await transport.find(operation, new Set(), stage.signal)
    assert.equal(found, String(network.posts(owner).at(-1)?.message_id))
  })

  test('is known after a restart, in all its topics, and no other chat is', async () => {
    await using stage = await seeing()
    await using again = stage.reopened()
    const isRich = (where: Place) => again.transport.render(ended(table), where)[0]?.['rich'] !== undefined
    assert.ok(isRich(place))
    assert.ok(isRich({ ...place, key: `${place.key}:7`, thread: '7' }))
    assert.ok(!isRich({ ...place, key: 'tg:5', chat: '5' }))
    await again.transport.ownCommands[0]?.run?.('off', place)
    assert.ok(!isRich(place))
  })
})
