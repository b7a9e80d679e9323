import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Content } from '../../core/transport.ts'
import type { View } from '../../core/view.ts'
import { accepted } from './accepted.fake.ts'
import { renderer } from './render.ts'

/** Growing documents; with DUCTOR_DOCUMENTS=2000, as many as whole ones. */
const growing = Number(process.env['DUCTOR_DOCUMENTS'] ?? 250)
const seed = Number(process.env['DUCTOR_SEED'] ?? Date.now() % 1_000_000)

/** Words that can be told from marks, and marks wherever they may or may not stand. */
const word = fc.stringMatching(/^[a-zäß漢👍]{1,8}$/u)
const mark = fc.constantFrom(
  '**',
  '*',
  '_',
  '~~',
  '`',
  '```',
  '[',
  '](http://a.bc)',
  '](x)',
  '![',
  '<b>',
  '\\',
  '|',
  '> ',
  '# ',
  '- ',
  '1. ',
  '- [ ] ',
  '||',
  '$',
  '&amp;',
  '\t',
  ':',
  '---',
  '[^1]',
)
const phrase = fc
  .array(fc.oneof({ weight: 3, arbitrary: word }, mark), { minLength: 1, maxLength: 12 })
  .map((pieces) => pieces.join(' '))
const tight = fc.array(fc.oneof(word, mark), { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join(''))
const block = fc.oneof(
  phrase,
  tight,
  fc
    .tuple(word, fc.array(phrase, { maxLength: 5 }))
    .map(([lang, lines]) => `\`\`\`${lang}\n${lines.join('\n')}\n\`\`\``),
  fc
    .array(phrase, { minLength: 1, maxLength: 4 })
    .map((lines) => lines.map((line) => `> ${line}`).join('\n')),
  fc.array(word, { minLength: 2, maxLength: 5 }).chain((head) =>
    fc
      .array(fc.array(word, { minLength: head.length, maxLength: head.length }), {
        minLength: 1,
        maxLength: 4,
      })
      .map((rows) =>
        [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n'),
      ),
  ),
  fc
    .array(fc.tuple(fc.nat(3), phrase), { minLength: 1, maxLength: 6 })
    .map((items) => items.map(([depth, text]) => `${'  '.repeat(depth)}- ${text}`).join('\n')),
)
const longDocument = fc
  .tuple(block, fc.integer({ min: 20, max: 90 }))
  .map(([text, times]) => Array.from({ length: times }, () => text).join('\n\n'))
const document = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.array(block, { minLength: 1, maxLength: 8 }).map((blocks) => blocks.join('\n\n')),
  },
  { weight: 1, arbitrary: longDocument },
)

function view(text: string, state: View['state']): View {
  return { state, parts: [{ kind: 'text', text }], choices: [] }
}

/** The letters in their order: what is left when all that may be a mark is taken away. */
function letters(text: string): string {
  return text.replaceAll(/[^a-zäß漢👍]/gu, '')
}

function written(contents: readonly Content[]): string {
  return accepted(contents).join('\n')
}

describe('Markdown at random', () => {
  test(`2,000 documents: Telegram takes every message, and no word is lost (seed ${seed})`, () => {
    const render = renderer()
    fc.assert(
      fc.property(document, (source) => {
        const shown = letters(written(render(view(source, 'ended'))))
        // Links and languages of code may stand elsewhere or nowhere; words never vanish.
        for (const one of wordsOf(source)) assert.ok(shown.includes(letters(one)), `“${one}” is lost`)
      }),
      { numRuns: 2000, seed },
    )
  })

  test(`every third prefix of ${growing} documents: no message is refused (seed ${seed})`, () => {
    const render = renderer()
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 4 }), (blocks) => {
        const source = blocks.join('\n\n')
        for (let end = 1; end < source.length; end += 3) {
          written(render(view(source.slice(0, end), 'working')))
        }
      }),
      { numRuns: growing, seed },
    )
  })
})

/** The words that stand in the text itself. */
function wordsOf(source: string): readonly string[] {
  return source
    .split('\n')
    .filter((line) => !line.includes('```'))
    .flatMap((line) => line.match(/(?<![\w(:/.&<\\^[äß漢👍])[a-zäß漢👍]{1,8}(?![\w)/.;>])/gu) ?? [])
    .filter((one) => one !== 'b' && one !== 'x')
}
