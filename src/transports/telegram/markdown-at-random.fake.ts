import * as fc from 'fast-check'

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
/** One paragraph, list, table, quote or block of code, right or wrong. */
export const block = fc.oneof(
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
export const document = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.array(block, { minLength: 1, maxLength: 8 }).map((blocks) => blocks.join('\n\n')),
  },
  { weight: 1, arbitrary: longDocument },
)
