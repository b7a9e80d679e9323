import { z } from 'zod'
import { checkUrl } from './telegram-entities.fake.ts'
import type { Limits } from './telegram-limits.fake.ts'
import { badRequest } from './telegram-refusal.fake.ts'

/** What the network keeps of a rich message. Strict where it is unknown: names of errors are guesses. */
export interface WireRich {
  readonly blocks: readonly WireBlock[]
}

export type WireText =
  | string
  | readonly WireText[]
  | { readonly type: string; readonly text: WireText; readonly url?: string | undefined }

export interface WireItem {
  readonly blocks: readonly WireBlock[]
  readonly has_checkbox?: true | undefined
  readonly is_checked?: true | undefined
  readonly value?: number | undefined
}

export interface WireCell {
  readonly text?: WireText | undefined
  readonly is_header?: true | undefined
  readonly align: string
}

export type WireBlock =
  | { readonly type: 'paragraph' | 'footer' | 'expandable_blockquote'; readonly text: WireText }
  | { readonly type: 'heading'; readonly text: WireText; readonly size: number }
  | { readonly type: 'pre'; readonly text: WireText; readonly language?: string | undefined }
  | { readonly type: 'divider' }
  | { readonly type: 'list'; readonly items: readonly WireItem[] }
  | { readonly type: 'blockquote'; readonly blocks: readonly WireBlock[] }
  | { readonly type: 'table'; readonly cells: readonly (readonly WireCell[])[] }

const text: z.ZodType<WireText> = z.lazy(() =>
  z.union([
    z.string(),
    z.array(text),
    z.strictObject({ type: z.enum(['bold', 'italic', 'strikethrough', 'code']), text }),
    z.strictObject({ type: z.literal('url'), text, url: z.string() }),
  ]),
)
const blocks: z.ZodType<readonly WireBlock[]> = z.lazy(() => z.array(block))
const item = z.strictObject({
  blocks,
  has_checkbox: z.literal(true).optional(),
  is_checked: z.literal(true).optional(),
  value: z.int().optional(),
  type: z.enum(['a', 'A', 'i', 'I', '1']).optional(),
})
const cell = z.strictObject({
  text: text.optional(),
  is_header: z.literal(true).optional(),
  align: z.enum(['left', 'center', 'right']),
  valign: z.enum(['top', 'middle', 'bottom']),
})
const block = z.discriminatedUnion('type', [
  z.strictObject({ type: z.enum(['paragraph', 'footer', 'expandable_blockquote']), text }),
  z.strictObject({ type: z.literal('heading'), text, size: z.int().min(1).max(6) }),
  z.strictObject({ type: z.literal('pre'), text, language: z.string().optional() }),
  z.strictObject({ type: z.literal('divider') }),
  z.strictObject({ type: z.literal('list'), items: z.array(item).min(1) }),
  z.strictObject({ type: z.literal('blockquote'), blocks }),
  z.strictObject({
    type: z.literal('table'),
    cells: z.array(z.array(cell).min(1)).min(1),
    is_bordered: z.literal(true).optional(),
  }),
])

/** A source each; of Markdown and HTML it knows only that they are there. */
export const richMessage = z.strictObject({
  blocks: z.unknown().optional(),
  markdown: z.string().optional(),
  html: z.string().optional(),
})

/** Throws where the network would refuse it. */
export function checkRich(given: z.infer<typeof richMessage>, limits: Limits): WireRich {
  const sources = [given.blocks, given.markdown, given.html].filter((source) => source !== undefined)
  if (sources.length !== 1) throw badRequest('exactly one source of a rich message must be specified')
  const parsed = blocks.safeParse(given.blocks)
  if (!parsed.success) throw badRequest("can't parse rich message: wrong block")
  if (parsed.data.length === 0) throw badRequest('rich message is empty')
  const counted = { characters: 0, blocks: 0, columns: 0, depth: 0 }
  countBlocks(parsed.data, 1, counted)
  if (counted.characters > limits.richCharacters) throw badRequest('rich message is too long')
  if (counted.blocks > limits.richBlocks) throw badRequest('too many blocks in the rich message')
  if (counted.columns > limits.richColumns) throw badRequest('too many columns in a table')
  if (counted.depth > limits.richDepth) throw badRequest('rich message is nested too deep')
  return { blocks: parsed.data }
}

interface Count {
  characters: number
  blocks: number
  columns: number
  depth: number
}

function countBlocks(all: readonly WireBlock[], depth: number, count: Count): void {
  if (all.length === 0) throw badRequest('a block of the rich message is empty')
  for (const one of all) {
    enter(depth, count)
    switch (one.type) {
      case 'divider':
        break
      case 'list':
        for (const { blocks: inner } of one.items) {
          enter(depth + 1, count)
          countBlocks(inner, depth + 2, count)
        }
        break
      case 'blockquote':
        countBlocks(one.blocks, depth + 1, count)
        break
      case 'table':
        for (const row of one.cells) {
          enter(depth + 1, count)
          count.columns = Math.max(count.columns, row.length)
          for (const { text: words } of row) if (words !== undefined) countText(words, depth + 1, count)
        }
        break
      case 'paragraph':
      case 'footer':
      case 'expandable_blockquote':
      case 'heading':
      case 'pre':
        countText(one.text, depth, count)
    }
  }
}

function enter(depth: number, count: Count): void {
  count.blocks += 1
  count.depth = Math.max(count.depth, depth)
}

function countText(words: WireText, depth: number, count: Count): void {
  if (wireWords(words).trim() === '') throw badRequest('a text of the rich message is empty')
  count.characters += Array.from(wireWords(words)).length
  look(words, depth, count)
}

function look(words: WireText, depth: number, count: Count): void {
  if (typeof words === 'string') {
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    if (/[\u0000-\u0008\u000B-\u001F]/.test(words) || !words.isWellFormed())
      throw badRequest('strings must be encoded in UTF-8')
    return
  }
  if (!('type' in words)) {
    for (const one of words) look(one, depth, count)
    return
  }
  if (wireWords(words).trim() === '') throw badRequest('a text of the rich message is empty')
  if (words.type === 'url') checkUrl(words.url)
  count.depth = Math.max(count.depth, depth + 1)
  look(words.text, depth + 1, count)
}

/** What is to be read of it. */
export function wireWords(words: WireText): string {
  if (typeof words === 'string') return words
  return 'type' in words ? wireWords(words.text) : words.map(wireWords).join('')
}

export function blockWords(one: WireBlock): string {
  switch (one.type) {
    case 'divider':
      return ''
    case 'list':
      return one.items.map(({ blocks: inner }) => inner.map(blockWords).join('\n')).join('\n')
    case 'blockquote':
      return one.blocks.map(blockWords).join('\n')
    case 'table':
      return one.cells.map((row) => row.map(({ text: words = '' }) => wireWords(words)).join(' ')).join('\n')
    case 'paragraph':
    case 'footer':
    case 'expandable_blockquote':
    case 'heading':
    case 'pre':
      return wireWords(one.text)
  }
}
