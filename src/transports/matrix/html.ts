import type { Schema } from 'hast-util-sanitize'
import { renderHtml } from '../html.ts'
import { isTooCostly } from '../markdown-cost.ts'

/** What the specification lets clients show, as far as Markdown can make it. */
const inlineTags = ['a', 'br', 'code', 'del', 'em', 'img', 'input', 'strong', 'sub', 'sup']
const tableTags = ['table', 'tbody', 'td', 'th', 'thead', 'tr']
const headings = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']
const blockTags = ['blockquote', ...headings, 'hr', 'li', 'ol', 'p', 'pre', 'ul', ...tableTags]

const linkProtocols = ['http', 'https', 'mailto', 'matrix']

const schema: Schema = {
  tagNames: [...inlineTags, ...blockTags],
  attributes: {
    a: ['href'],
    code: [['className', /^language-[\w+#.-]+$/]],
    // Neither may be sent: `adapt` makes a link and a mark of them.
    img: ['src', 'alt'],
    input: ['checked'],
    ol: ['start'],
  },
  protocols: { href: linkProtocols, src: ['http', 'https'] },
  strip: ['script'],
}

/** Markdown as the HTML that Matrix allows; undefined where it would be far too much of it to be made. */
export function matrixHtml(markdown: string): string | undefined {
  return isTooCostly(markdown) ? undefined : adapt(renderHtml(markdown, schema))
}

/** Text that is no Markdown, as HTML. */
export function plainHtml(text: string): string {
  return text.replaceAll('&', '&#x26;').replaceAll('<', '&#x3C;').replaceAll('\n', '<br>')
}

interface Token {
  readonly source: string
  readonly tag?: string
  readonly closing?: boolean
  readonly attributes?: string
}

/**
 * Fits HTML to chat: a line end in a paragraph is a line end (Markdown takes it for a space, people do not), an image
 * is a link (Matrix shows only what was uploaded), a task's box is a mark, and a link that leads nowhere is its text.
 */
function adapt(html: string): string {
  const tokens = tokensOf(html)
  const links: boolean[] = []
  let preformatted = false
  let out = ''
  for (const [index, token] of tokens.entries()) {
    switch (token.tag) {
      case undefined:
        out += preformatted ? token.source : withLineEnds(token.source, tokens[index - 1], tokens[index + 1])
        break
      case 'a': {
        const leads = token.closing === true ? links.pop() === true : hasProtocol(attribute(token, 'href'))
        if (token.closing !== true) links.push(leads)
        if (leads) out += token.source
        break
      }
      case 'img':
        out += linkTo(token, links.includes(true))
        break
      case 'input':
        out += attribute(token, 'checked') === undefined ? '☐' : '☑'
        break
      case 'pre':
        preformatted = token.closing !== true
        out += token.source
        break
      default:
        out += token.source
    }
  }
  return out
}

/** Sound only for what `renderHtml` writes: `<` stands nowhere but before a tag, `"` nowhere but around a value. */
function tokensOf(html: string): readonly Token[] {
  const pattern = /<(\/?)([a-z][a-z0-9]*)((?:\s[a-zA-Z-]+(?:="[^"]*")?)*)>|[^<]+/g
  return [...html.matchAll(pattern)].map(([source, slash, tag, attributes]) =>
    tag === undefined ? { source } : { source, tag, closing: slash === '/', attributes: attributes ?? '' },
  )
}

/** Still escaped as it was; the empty text for an attribute without a value. */
function attribute({ attributes = '' }: Token, name: string): string | undefined {
  for (const [, key, value = ''] of attributes.matchAll(/\s([a-zA-Z-]+)(?:="([^"]*)")?/g)) {
    if (key === name) return value
  }
  return undefined
}

function hasProtocol(href: string | undefined): boolean {
  return href !== undefined && linkProtocols.some((protocol) => href.toLowerCase().startsWith(`${protocol}:`))
}

function linkTo(image: Token, insideLink: boolean): string {
  const src = attribute(image, 'src')
  const alt = attribute(image, 'alt') ?? ''
  const text = (alt === '' ? (src ?? '') : alt).replaceAll('<', '&#x3C;')
  return hasProtocol(src) && !insideLink ? `<a href="${src}">${text}</a>` : text
}

/** Between blocks, a line end is only the layout of the HTML. */
function withLineEnds(text: string, before: Token | undefined, after: Token | undefined): string {
  const start =
    before === undefined || isBlock(before) || before.tag === 'br' ? text.replace(/^\n+/, '') : text
  const both = after === undefined || isBlock(after) ? start.replace(/\n+$/, '') : start
  return both.replaceAll('\n', '<br>')
}

function isBlock({ tag }: Token): boolean {
  return tag !== undefined && blockTags.includes(tag)
}

/** One paragraph alone needs no tags around it. */
export function onlyParagraph(html: string): string {
  const inner = /^<p>([\s\S]*)<\/p>$/.exec(html)?.[1]
  return inner === undefined || inner.includes('<p>') ? html : inner
}
