import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Nodes } from 'mdast'
import { renderHtml } from './html.ts'
import { isTooCostly } from './markdown-cost.ts'
import { parseMarkdown } from './markdown.ts'
import { runSeed } from '../../tests/support/seeded.ts'

const syntax = [
  '*',
  '_',
  '~~',
  '[',
  ']',
  '(',
  ')',
  '!',
  '`',
  '<',
  '<!--',
  '<?',
  '>',
  '- ',
  '1. ',
  '    ',
  '|',
]
const more = [
  '|-|\n',
  '===\n',
  '---\n',
  '```\n',
  '[^a]: ',
  '[a]: ',
  '&',
  '@',
  'www.',
  'http://',
  '\n',
  '\n\n',
  '\r',
]
const token = fc.constantFrom(...syntax, ...more, '💥', 'word ')

/** Many times the same few marks: what parsers are slow at. */
const monstrous = fc
  .tuple(fc.array(token, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 20_000 }))
  .map(([unit, times]) => unit.join('').repeat(times).slice(0, 60_000))

describe('Markdown', () => {
  for (const [what, text] of [
    ['emphasis that never closes', '*a_'.repeat(10_000)],
    ['brackets', '[a]('.repeat(20_000)],
    ['quotes in quotes', '> '.repeat(20_000)],
    ['lists in lists', '1. '.repeat(20_000)],
    ['empty quotes', '>\n\n'.repeat(20_000)],
    ['lines under headings', '===\n'.repeat(20_000)],
    ['backticks without a partner', '  \\```\n://'.repeat(6_000)],
    ['instructions', 'a <?'.repeat(20_000)],
    ['addresses', '_www.'.repeat(12_000)],
    ['a list that goes on', `* ]${'a\n'.repeat(30_000)}`],
    [
      'a table of millions of cells',
      `${'|'.repeat(5_000)}\n${'|-'.repeat(5_000)}|\n${'|a|\n'.repeat(5_000)}`,
    ],
    ['a book', 'It was a dark and stormy night. '.repeat(20_000)],
  ] as const) {
    test(`takes no more than a moment for ${what}, and loses nothing of it`, () => {
      const begun = process.cpuUsage()
      const root = parseMarkdown(text)
      const { user } = process.cpuUsage(begun)
      // Without the guard it is ten seconds and more; with it, a few milliseconds.
      assert.ok(user < 3_000_000, `${user} µs`)
      assert.equal(textOf(root), text)
    })
  }

  test('takes no more than a moment for anything', () => {
    fc.assert(
      fc.property(monstrous, (text) => {
        const begun = process.cpuUsage()
        parseMarkdown(text)
        assert.ok(process.cpuUsage(begun).user < 8_000_000)
      }),
      { numRuns: 40, seed: runSeed },
    )
  })

  test('is read as such in everything that people write', () => {
    const table = `|a|b|c|\n|-|-|-|\n${'|some|cells|here|\n'.repeat(300)}`
    const list = '- an *item* of a [list](https://example.org)\n'.repeat(300)
    const prose = 'A paragraph with **strong** words, `code` and [a link](https://example.org).\n\n'.repeat(
      600,
    )
    const code = `\`\`\`ts\n${'const map: Map<string, number[]> = new Map() // **\n'.repeat(400)}\`\`\``
    for (const text of [table, list, prose, code, '> quoted\n'.repeat(400)]) assert.ok(!isTooCostly(text))
  })

  test('becomes HTML, whatever it is', () => {
    const nested = fc
      .integer({ min: 1, max: 3_000 })
      .map((depth) => '*a **a '.repeat(depth) + 'b** b*'.repeat(depth))
    fc.assert(
      fc.property(fc.oneof(monstrous, nested), (text) => {
        renderHtml(text, { tagNames: ['p', 'em'] })
      }),
      { numRuns: 30, seed: runSeed },
    )
  })
})

function textOf(node: Nodes): string {
  if (node.type === 'break') return '\n'
  if ('value' in node) return node.value
  return 'children' in node ? node.children.map((child: Nodes) => textOf(child)).join('') : ''
}
