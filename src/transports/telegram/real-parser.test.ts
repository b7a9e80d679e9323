import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { z } from 'zod'
import { tdlib, type Tdlib } from '../../../tests/support/install-tdlib.ts'
import type { View } from '../../core/view.ts'
import { clean } from './clean-text.ts'
import { document } from './markdown-at-random.fake.ts'
import { renderer } from './render.ts'
import { fixText, type WireEntity, type WireText } from './telegram-entities.fake.ts'
import { networkLimits } from './telegram-limits.fake.ts'
import { runSeed as seed } from '../../../tests/support/seeded.ts'

const found = await tdlib()
const skip = typeof found === 'string' ? found : false

const names: Readonly<Record<string, string>> = {
  bold: 'Bold',
  italic: 'Italic',
  strikethrough: 'Strikethrough',
  code: 'Code',
  blockquote: 'BlockQuote',
  expandable_blockquote: 'ExpandableBlockQuote',
}
const answer = z.union([
  z.object({ _: z.literal('error'), message: z.string() }),
  z.object({
    _: z.literal('formattedText'),
    text: z.string(),
    entities: z.array(
      z.object({
        offset: z.int(),
        length: z.int(),
        type: z.object({ _: z.string(), url: z.string().optional(), language: z.string().optional() }),
      }),
    ),
  }),
])

function typeOf({ type, url, language }: WireEntity): object {
  if (type === 'text_link') return { _: 'textEntityTypeTextUrl', url }
  if (type === 'pre' && language !== undefined) return { _: 'textEntityTypePreCode', language }
  return { _: `textEntityType${type === 'pre' ? 'Pre' : names[type]}` }
}

/** Types of looks that the library finds by itself, as clients do. */
const foundByItself =
  /Url$|Mention$|Hashtag$|Cashtag$|BotCommand$|EmailAddress$|PhoneNumber$|BankCardNumber$|MediaTimestamp$|DateTime$/

interface Stretch {
  readonly offset: number
  readonly length: number
  readonly type: object
}

/** What each character looks like: a look may be cut into pieces, as long as all of them are there. */
function looksOf(length: number, stretches: readonly Stretch[]): readonly string[] {
  return Array.from({ length }, (_, at) =>
    stretches
      .filter((one) => one.offset <= at && at < one.offset + one.length)
      .map(({ type }) => JSON.stringify(type))
      .toSorted()
      .join(),
  )
}

/** What Telegram makes of a text without looks. */
function cleaned(text: string): string {
  const parsed = answer.parse(
    library().execute({ _: 'parseMarkdown', text: { _: 'formattedText', text, entities: [] } }),
  )
  return parsed._ === 'error' ? assert.fail(parsed.message) : parsed.text
}

/** What Telegram makes of a text and its looks; or why it refuses them. */
function real({ text, entities }: WireText): readonly string[] | { readonly refused: string } {
  const parsed = answer.parse(
    library().execute({
      _: 'parseMarkdown',
      text: {
        _: 'formattedText',
        // The looks alone are asked about: what may be a mark becomes a letter.
        text: text.replaceAll(/[*_~`|[\]()!]/g, 'x'),
        entities: entities.map((entity) => ({
          _: 'textEntity',
          offset: entity.offset,
          length: entity.length,
          type: typeOf(entity),
        })),
      },
    }),
  )
  if (parsed._ === 'error') return { refused: parsed.message }
  const kept = parsed.entities
    .filter(({ type }) => type._ === 'textEntityTypeTextUrl' || !foundByItself.test(type._))
    .map(({ offset, length, type: { _: type, url, language } }) => ({
      offset,
      length,
      type: { _: type, url: sameUrl(url), language },
    }))
  return looksOf(text.length, kept)
}

/** What we mean each character to look like. */
function meant({ text, entities }: WireText): readonly string[] {
  return looksOf(
    text.length,
    entities.map((entity) => ({
      offset: entity.offset,
      length: entity.length,
      type: isMention(entity) ? { _: 'textEntityTypeMentionName' } : typeOf({ ...entity, ...urlOf(entity) }),
    })),
  )
}

/** A link to a person is more than a link to Telegram. */
function isMention({ type, url = '' }: WireEntity): boolean {
  return type === 'text_link' && /^tg:\/\/user\?id=\d+$/.test(url)
}

function urlOf({ url }: WireEntity): { url?: string } {
  const same = sameUrl(url)
  return same === undefined ? {} : { url: same }
}

/** Telegram writes a host in small letters and ends it with a slash; so do addresses in Node. */
function sameUrl(url: string | undefined): string | undefined {
  if (url === undefined) return undefined
  const href = URL.parse(url)?.href ?? `http://${url}/`
  return /^t(?:g|on):\/\/[^/?#]+$/.test(href) ? `${href}/` : href
}

function library(): Tdlib {
  if (typeof found === 'string') throw new Error(found)
  return found
}

describe('Telegram’s own parser', { skip }, () => {
  test(`keeps every look that we give it (seed ${seed})`, () => {
    const render = renderer()
    fc.assert(
      fc.property(document, (source) => {
        const view: View = { state: 'ended', parts: [{ kind: 'text', text: source }], choices: [] }
        for (const content of render(view)) {
          if (content['kind'] === 'file') continue
          const wire = z
            .object({ text: z.string(), entities: z.array(z.custom<WireEntity>()) })
            .parse(content)
          assert.deepEqual(real(wire), meant(wire), JSON.stringify(wire))
        }
      }),
      { numRuns: 500, seed },
    )
  })

  test(`is never stricter than the fake (seed ${seed})`, () => {
    const look = fc.record({
      type: fc.constantFrom(...Object.keys(names), 'pre', 'text_link'),
      offset: fc.integer({ min: -1, max: 12 }),
      length: fc.integer({ min: -1, max: 14 }),
      url: fc.constantFrom(...urls),
    })
    const text = fc.stringMatching(/^[a-c 👍ß\n]{1,12}$/u)
    fc.assert(
      fc.property(text, fc.array(look, { maxLength: 5 }), (words, looks) => {
        const entities = looks.map(({ type, offset, length, url }) => ({
          type,
          offset,
          length,
          ...(type === 'text_link' ? { url } : {}),
        }))
        const judged = judgeOfFake({ text: words, entities })
        const truth = real({ text: words, entities })
        if ('refused' in truth) assert.equal(judged, 'refused', truth.refused)
        else if (judged === 'as it is') assert.deepEqual(truth, meant({ text: words, entities }))
      }),
      { numRuns: 4000, seed },
    )
  })

  test(`cleans a text as the fake does (seed ${seed})`, () => {
    const word = fc.constantFrom(
      'a',
      'b',
      ' ',
      '\n',
      '\t',
      '\r',
      '\0',
      '\v',
      '\u001F',
      '\u2028',
      '\u202E',
      '\u2027',
    )
    const mark = fc.constantFrom(
      'å',
      'a\u030A',
      'a\u0333',
      'a\u033F',
      'a\u0301',
      '\u200E',
      '\u007F',
      '\u0085',
      '👍',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(word, mark), { maxLength: 12 }), (pieces) => {
        // Between letters, so that nothing is trimmed: the library leaves that to whoever sends.
        const text = `x${pieces.join('')}x`
        const entities = [{ type: 'bold', offset: 0, length: text.length }]
        const kept = fixText(text, entities, networkLimits, () => {})
        assert.equal(kept.text, cleaned(text))
        assert.equal(clean(text), cleaned(clean(text)), 'what we have cleaned stays as it is')
        assert.deepEqual(kept.entities, [{ type: 'bold', offset: 0, length: kept.text.length }])
      }),
      { numRuns: 2000, seed },
    )
  })

  test('takes no link that the fake does not take, and none that we would not send', () => {
    for (const url of urls) {
      const wire = { text: 'abc', entities: [{ type: 'text_link', offset: 0, length: 3, url }] }
      const truth = real(wire)
      if ('refused' in truth) assert.equal(judgeOfFake(wire), 'refused', url)
    }
  })
})

const urls = [
  'https://example.org',
  'http://example.org/a?b=c#d',
  'HTTP://EXAMPLE.org:8080/',
  'example.org',
  'http://localhost',
  'http://localhost:3000/x',
  'http://127.0.0.1/',
  'http://a.b:99999/',
  'http://a..b/',
  'http://-.b/',
  'file:///etc/passwd',
  'vscode://file/x',
  'javascript:alert(1)',
  'mailto:a@b.cd',
  './relative.md',
  'tg://user?id=1',
  'tg://',
  'ton://x',
  'https://exa mple.org',
  'https://user:pass@example.org',
  'ftp://example.org',
  '',
] as const

/** `mended`: the network would change it in silence, and the fake says so. */
function judgeOfFake({ text, entities }: WireText): 'refused' | 'mended' | 'as it is' {
  const lints: string[] = []
  try {
    const kept = fixText(text, entities, networkLimits, (fault) => void lints.push(fault))
    return lints.length > 0 || kept.text !== text ? 'mended' : 'as it is'
  } catch {
    return 'refused'
  }
}
