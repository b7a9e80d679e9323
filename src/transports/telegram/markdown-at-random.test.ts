import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Content } from '../../core/transport.ts'
import type { View } from '../../core/view.ts'
import { accepted } from './accepted.fake.ts'
import { block, document } from './markdown-at-random.fake.ts'
import { renderer } from './render.ts'
import { RichRendering } from './rich-render.ts'
import { runSeed as seed } from '../../../tests/support/seeded.ts'

/** Growing documents; fewer with DUCTOR_DOCUMENTS=250, say. */
const growing = Number(process.env['DUCTOR_DOCUMENTS'] ?? 2000)

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

  test(`2,000 documents in a chat with rich messages: the same holds there (seed ${seed})`, () => {
    const rich = new RichRendering({ tools: true, thinking: true, reasoning: false }, renderer())
    let shownRich = 0
    fc.assert(
      fc.property(document, (source) => {
        const contents = rich.render(view(source, 'ended'))
        if (contents.some((content) => 'rich' in content)) shownRich += 1
        const shown = letters(written(contents))
        for (const one of wordsOf(source)) assert.ok(shown.includes(letters(one)), `“${one}” is lost`)
      }),
      { numRuns: 2000, seed },
    )
    assert.ok(shownRich > 200, `only ${shownRich} of them were rich`)
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
