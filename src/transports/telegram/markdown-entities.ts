import type { Code, FootnoteDefinition, List, ListItem, Nodes, PhrasingContent, RootContent } from 'mdast'
import { parseMarkdown } from '../markdown.ts'
import { clean } from './clean-text.ts'
import { trim, type Formatted } from './formatted.ts'
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
import { Pen } from './pen.ts'
import { writeTable } from './table.ts'

/** Deeper than any person would write; what lies below is shown as its source. */
const deepest = 30
const bullets = ['•', '◦', '▪']

/** Markdown as Telegram can show it. Loses no text, and never throws. */
export function formatMarkdown(source: string): Formatted {
  const cleaned = clean(source)
  const root = parseMarkdown(cleaned)
  const { definitions, shown } = definitionsIn(root)
  const pen = new Pen()
  const writer = new Writer(pen, cleaned, definitions)
  writer.blocks(shown, 0)
  return trim(pen.finish())
}

/** Writes the nodes of one document. */
class Writer {
  readonly #pen: Pen
  readonly #source: string
  readonly #definitions: Definitions
  #depth = 0

  constructor(pen: Pen, source: string, definitions: Definitions) {
    this.#pen = pen
    this.#source = source
    this.#definitions = definitions
  }

  /** Blocks with an empty line between them. `listDepth`: how many lists they are in. */
  blocks(nodes: readonly RootContent[], listDepth: number): void {
    for (const [index, node] of nodes.entries()) {
      if (index > 0) this.#pen.newLine(1)
      this.#block(node, listDepth)
    }
  }

  inlines(nodes: readonly PhrasingContent[]): void {
    for (const node of nodes) this.#inline(node)
  }

  #block(node: RootContent, listDepth: number): void {
    if (this.#depth > deepest) return this.#pen.write(this.#sourceOf(node))
    this.#depth += 1
    this.#writeBlock(node, listDepth)
    this.#depth -= 1
  }

  #writeBlock(node: RootContent, listDepth: number): void {
    const pen = this.#pen
    switch (node.type) {
      case 'paragraph':
        return this.inlines(node.children)
      case 'heading':
        return void pen.styled({ type: 'bold' }, () => this.inlines(node.children))
      case 'code':
        return this.#code(node)
      case 'blockquote':
        return pen.quote(() => this.blocks(node.children, listDepth))
      case 'list':
        return this.#list(node, listDepth)
      case 'table':
        return writeTable(node, pen, (cell) => this.inlines(cell))
      case 'thematicBreak':
        return pen.write('———')
      case 'definition':
        return pen.write(definition(node))
      case 'footnoteDefinition':
        return this.#footnote(node, listDepth)
      case 'listItem':
        return this.#item(node, '•', listDepth)
      case 'html':
        return pen.write(node.value)
      case 'tableRow':
      case 'tableCell':
      case 'yaml':
        return pen.write(this.#sourceOf(node))
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
        return this.#inline(node)
    }
  }

  /** What stands behind the fence is a language, and may be more: a name of a file, or words. */
  #code({ value, lang, meta }: Code): void {
    const known = value.trim() === '' ? undefined : language(lang)
    const said = besideCode(lang, meta, known)
    if (said !== '') {
      this.#pen.write(said)
      this.#pen.newLine()
    }
    this.#pen.code(value, known)
  }

  #inline(node: PhrasingContent): void {
    if (this.#depth > deepest) return this.#pen.write(this.#sourceOf(node))
    this.#depth += 1
    this.#writeInline(node)
    this.#depth -= 1
  }

  #writeInline(node: PhrasingContent): void {
    const pen = this.#pen
    switch (node.type) {
      case 'text':
        return pen.write(node.value)
      case 'strong':
        return void pen.styled({ type: 'bold' }, () => this.inlines(node.children))
      case 'emphasis':
        return void pen.styled({ type: 'italic' }, () => this.inlines(node.children))
      case 'delete':
        return void pen.styled({ type: 'strikethrough' }, () => this.inlines(node.children))
      case 'inlineCode':
        return void pen.styled({ type: 'code' }, () => pen.write(node.value))
      case 'break':
        return pen.write('\n')
      case 'link':
        return this.#link(node.url, () => this.inlines(node.children))
      case 'linkReference':
        return this.#link(this.#definitions.get(node.identifier) ?? '', () => this.inlines(node.children))
      case 'image':
        return this.#link(node.url, () => pen.write(picture(node.alt)))
      case 'imageReference':
        return this.#link(this.#definitions.get(node.identifier) ?? '', () => pen.write(picture(node.alt)))
      case 'footnoteReference':
        return pen.write(`[${node.label ?? node.identifier}]`)
      case 'html':
        return pen.write(/^<br\s*\/?>$/i.test(node.value) ? '\n' : node.value)
    }
  }

  /** What Telegram does not take for a link is written out behind its words. */
  #link(url: string, words: () => void): void {
    const pen = this.#pen
    const linkable = isLinkable(url)
    const written = pen.styled(linkable ? { type: 'text_link', url } : undefined, words).trim()
    if (written === '') pen.write(clean(url))
    else if (!linkable && url !== '' && !says(written, url)) pen.write(` (${clean(url)})`)
  }

  #list({ ordered, start, spread, children }: List, listDepth: number): void {
    let number = start ?? 1
    for (const [index, item] of children.entries()) {
      if (index > 0) this.#pen.newLine(spread === true ? 1 : 0)
      const mark = ordered === true ? `${number++}.` : (bullets[listDepth % bullets.length] ?? '•')
      this.#item(item, mark, listDepth)
    }
  }

  #item({ checked, children }: ListItem, mark: string, listDepth: number): void {
    const pen = this.#pen
    const box = checked === true ? '☑' : checked === false ? '☐' : undefined
    pen.write(`${box === undefined ? mark : /\d/.test(mark) ? `${mark} ${box}` : box} `)
    pen.indented('   ', () => {
      for (const [index, child] of children.entries()) {
        if (index > 0 || child.type === 'code' || child.type === 'table') {
          pen.newLine(child.type === 'paragraph' ? 1 : 0)
        }
        this.#block(child, listDepth + 1)
      }
    })
  }

  #footnote({ label, identifier, children }: FootnoteDefinition, listDepth: number): void {
    this.#pen.write(`[${label ?? identifier}] `)
    this.blocks(children, listDepth)
  }

  #sourceOf(node: Nodes): string {
    const { start, end } = node.position ?? {}
    return this.#source.slice(start?.offset ?? 0, end?.offset ?? 0)
  }
}
