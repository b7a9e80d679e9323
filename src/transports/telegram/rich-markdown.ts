import type {
  Code,
  FootnoteDefinition,
  List,
  ListItem,
  Nodes,
  PhrasingContent,
  RootContent,
  Table,
} from 'mdast'
import { parseMarkdown } from '../markdown.ts'
import { clean } from './clean-text.ts'
import { isLinkable } from './links.ts'
import {
  besideCode,
  definition,
  definitionsIn,
  language,
  picture,
  says,
  type Definitions,
} from './markdown-words.ts'
import { wordsOf, type RichBlock, type RichCell, type RichItem, type RichText } from './rich.ts'

/** Deeper than a rich message may go; what lies below is shown as its source. */
const deepest = 30

/** Markdown in blocks: tables, headings and lists as what they are. Loses no text, and never throws. */
export function richMarkdown(source: string): readonly RichBlock[] {
  const cleaned = clean(source)
  const { definitions, shown } = definitionsIn(parseMarkdown(cleaned))
  return new Reader(cleaned, definitions).blocks(shown)
}

/** Reads the nodes of one document. Whatever says nothing is left out: Telegram takes no empty block. */
class Reader {
  readonly #source: string
  readonly #definitions: Definitions
  #depth = 0

  constructor(source: string, definitions: Definitions) {
    this.#source = source
    this.#definitions = definitions
  }

  blocks(nodes: readonly RootContent[]): readonly RichBlock[] {
    return nodes.flatMap((node) => {
      if (this.#depth > deepest) return paragraph(this.#sourceOf(node))
      this.#depth += 1
      const read = this.#block(node)
      this.#depth -= 1
      return read
    })
  }

  #block(node: RootContent): readonly RichBlock[] {
    switch (node.type) {
      case 'paragraph':
        return paragraph(this.#inlines(node.children))
      case 'heading': {
        const text = this.#inlines(node.children)
        return isBlank(text) ? [] : [{ type: 'heading', text, size: node.depth }]
      }
      case 'code':
        return code(node)
      case 'blockquote': {
        const blocks = this.blocks(node.children)
        return blocks.length === 0 ? [] : [{ type: 'blockquote', blocks }]
      }
      case 'list':
        return [{ type: 'list', items: this.#items(node) }]
      case 'table':
        return [{ type: 'table', cells: this.#cells(node), is_bordered: true }]
      case 'thematicBreak':
        return [{ type: 'divider' }]
      case 'definition':
        return paragraph(definition(node))
      case 'footnoteDefinition':
        return this.#footnote(node)
      case 'listItem':
        return [{ type: 'list', items: [this.#item(node)] }]
      case 'html':
        return paragraph(clean(node.value))
      case 'tableRow':
      case 'tableCell':
      case 'yaml':
        return paragraph(this.#sourceOf(node))
      case 'text':
      case 'emphasis':
      case 'strong':
      case 'delete':
      case 'inlineCode':
      case 'break':
      case 'link':
      case 'image':
      case 'linkReference':
      case 'imageReference':
      case 'footnoteReference':
        return paragraph(this.#inlines([node]))
    }
  }

  #inlines(nodes: readonly PhrasingContent[]): RichText {
    return nodes.map((node) => {
      if (this.#depth > deepest) return this.#sourceOf(node)
      this.#depth += 1
      const read = this.#inline(node)
      this.#depth -= 1
      return read
    })
  }

  #inline(node: PhrasingContent): RichText {
    switch (node.type) {
      case 'text':
        return clean(node.value)
      case 'strong':
        return styled('bold', this.#inlines(node.children))
      case 'emphasis':
        return styled('italic', this.#inlines(node.children))
      case 'delete':
        return styled('strikethrough', this.#inlines(node.children))
      case 'inlineCode':
        return styled('code', clean(node.value))
      case 'break':
        return '\n'
      case 'link':
        return link(node.url, this.#inlines(node.children))
      case 'linkReference':
        return link(this.#definitions.get(node.identifier) ?? '', this.#inlines(node.children))
      // What an answer names is not fetched by anybody: a picture is a link.
      case 'image':
        return link(node.url, clean(picture(node.alt)))
      case 'imageReference':
        return link(this.#definitions.get(node.identifier) ?? '', clean(picture(node.alt)))
      case 'footnoteReference':
        return `[${node.label ?? node.identifier}]`
      case 'html':
        return /^<br\s*\/?>$/i.test(node.value) ? '\n' : clean(node.value)
    }
  }

  #items({ ordered, start, children }: List): readonly RichItem[] {
    return children.map((item, index) => ({
      ...this.#item(item),
      ...(ordered === true ? { value: (start ?? 1) + index, type: '1' } : {}),
    }))
  }

  #item({ checked, children }: ListItem): RichItem {
    const blocks = this.blocks(children)
    return {
      blocks: blocks.length === 0 ? [{ type: 'paragraph', text: '–' }] : blocks,
      ...(typeof checked === 'boolean' ? { has_checkbox: true } : {}),
      ...(checked === true ? { is_checked: true } : {}),
    }
  }

  /** Telegram shows a cell without a text as none. */
  #cells({ align, children }: Table): readonly (readonly RichCell[])[] {
    return children.map((row, line) =>
      row.children.map((cell, column): RichCell => {
        const text = this.#inlines(cell.children)
        return {
          ...(isBlank(text) ? {} : { text }),
          ...(line === 0 ? { is_header: true } : {}),
          align: align?.[column] ?? 'left',
          valign: 'top',
        }
      }),
    )
  }

  #footnote({ label, identifier, children }: FootnoteDefinition): readonly RichBlock[] {
    const [first, ...more] = this.blocks(children)
    const name = `[${label ?? identifier}]`
    if (first?.type === 'paragraph') return [...paragraph([`${name} `, first.text]), ...more]
    return [...paragraph(name), ...(first === undefined ? [] : [first]), ...more]
  }

  #sourceOf(node: Nodes): string {
    const { start, end } = node.position ?? {}
    return this.#source.slice(start?.offset ?? 0, end?.offset ?? 0)
  }
}

export function paragraph(text: RichText): readonly RichBlock[] {
  return isBlank(text) ? [] : [{ type: 'paragraph', text }]
}

function code({ value, lang, meta }: Code): readonly RichBlock[] {
  const known = value.trim() === '' ? undefined : language(lang)
  const text = clean(value)
  const block: RichBlock = { type: 'pre', text, ...(known === undefined ? {} : { language: known }) }
  return [...paragraph(besideCode(lang, meta, known)), ...(text.trim() === '' ? [] : [block])]
}

/** A look on blanks is nothing. */
function styled(type: 'bold' | 'italic' | 'strikethrough' | 'code', text: RichText): RichText {
  return isBlank(text) ? text : { type, text }
}

/** What Telegram does not take for a link is written out behind its words. */
function link(url: string, words: RichText): RichText {
  const written = wordsOf(words).trim()
  if (isLinkable(url)) return { type: 'url', text: written === '' ? clean(url) : words, url }
  if (written === '') return clean(url)
  return url === '' || says(written, url) ? words : [words, ` (${clean(url)})`]
}

function isBlank(text: RichText): boolean {
  return wordsOf(text).trim() === ''
}
