/** Rich messages: what they are made of, as far as we write it, and what Telegram takes of it. */

export type RichText = string | readonly RichText[] | RichLook

type RichLook =
  | { readonly type: 'bold' | 'italic' | 'strikethrough' | 'code'; readonly text: RichText }
  | { readonly type: 'url'; readonly text: RichText; readonly url: string }

export interface RichItem {
  readonly blocks: readonly RichBlock[]
  readonly has_checkbox?: true
  readonly is_checked?: true
  /** The number of an item of a list that counts. */
  readonly value?: number
  readonly type?: '1'
}

export interface RichCell {
  readonly text?: RichText
  readonly is_header?: true
  readonly align: 'left' | 'center' | 'right'
  readonly valign: 'top'
}

export type RichBlock =
  | { readonly type: 'paragraph' | 'footer' | 'expandable_blockquote'; readonly text: RichText }
  | { readonly type: 'heading'; readonly text: RichText; readonly size: 1 | 2 | 3 | 4 | 5 | 6 }
  | { readonly type: 'pre'; readonly text: string; readonly language?: string }
  | { readonly type: 'divider' }
  | { readonly type: 'list'; readonly items: readonly RichItem[] }
  | { readonly type: 'blockquote'; readonly blocks: readonly RichBlock[] }
  | { readonly type: 'table'; readonly cells: readonly (readonly RichCell[])[]; readonly is_bordered: true }

interface Size {
  /** Unicode code points. */
  readonly characters: number
  /** Items of lists and rows of tables count, too. */
  readonly blocks: number
  readonly depth: number
  readonly columns: number
}

const most: Size = { characters: 32_768, blocks: 500, depth: 16, columns: 20 }
const nothing: Size = { characters: 0, blocks: 0, depth: 0, columns: 0 }

/** What the text says, without its looks. */
export function wordsOf(text: RichText): string {
  if (typeof text === 'string') return text
  return 'type' in text ? wordsOf(text.text) : text.map(wordsOf).join('')
}

/** Does it show more than a text with looks can? */
export function isRich(blocks: readonly RichBlock[]): boolean {
  return blocks.some((block) => {
    if (block.type === 'blockquote') return isRich(block.blocks)
    return ['heading', 'table', 'list', 'divider'].includes(block.type)
  })
}

/** The blocks in as few messages as can be; undefined where one alone is more than a message takes. */
export function inRichMessages(blocks: readonly RichBlock[]): readonly (readonly RichBlock[])[] | undefined {
  const messages: RichBlock[][] = []
  let size = nothing
  for (const block of blocks) {
    const own = sizeOf(block)
    if (!isWithin(own)) return undefined
    const both = beside([size, own])
    const last = messages.at(-1)
    if (last !== undefined && isWithin(both)) {
      last.push(block)
      size = both
    } else {
      messages.push([block])
      size = own
    }
  }
  return messages
}

function isWithin({ characters, blocks, depth, columns }: Size): boolean {
  return (
    characters <= most.characters && blocks <= most.blocks && depth <= most.depth && columns <= most.columns
  )
}

function sizeOf(block: RichBlock): Size {
  switch (block.type) {
    case 'divider':
      return within(nothing)
    case 'list':
      return within(beside(block.items.map(({ blocks }) => within(beside(blocks.map(sizeOf))))))
    case 'blockquote':
      return within(beside(block.blocks.map(sizeOf)))
    case 'table': {
      const rows = block.cells.map((row) => within(beside(row.map(({ text = '' }) => sizeOfText(text)))))
      return { ...within(beside(rows)), columns: Math.max(0, ...block.cells.map((row) => row.length)) }
    }
    case 'paragraph':
    case 'footer':
    case 'expandable_blockquote':
    case 'heading':
    case 'pre':
      return within(sizeOfText(block.text))
  }
}

function sizeOfText(text: RichText): Size {
  if (typeof text === 'string') return { ...nothing, characters: Array.from(text).length }
  if (!('type' in text)) return beside(text.map(sizeOfText))
  const inner = sizeOfText(text.text)
  return { ...inner, depth: inner.depth + 1 }
}

function within(inner: Size): Size {
  return { ...inner, blocks: inner.blocks + 1, depth: inner.depth + 1 }
}

function beside(sizes: readonly Size[]): Size {
  return sizes.reduce(
    (all, { characters, blocks, depth, columns }) => ({
      characters: all.characters + characters,
      blocks: all.blocks + blocks,
      depth: Math.max(all.depth, depth),
      columns: Math.max(all.columns, columns),
    }),
    nothing,
  )
}
