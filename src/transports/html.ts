import { sanitize, type Schema } from 'hast-util-sanitize'
import { toHtml } from 'hast-util-to-html'
import type { Root } from 'mdast'
import { toHast } from 'mdast-util-to-hast'
import { parseMarkdown, plainText } from './markdown.ts'

/** Renders Markdown as HTML with nothing in it but what `schema` allows. HTML inside the Markdown is shown as text. */
export function renderHtml(markdown: string, schema: Schema): string {
  try {
    return htmlOf(parseMarkdown(markdown), schema)
  } catch (error) {
    // Too much in each other for the stack.
    if (error instanceof RangeError) return htmlOf(plainText(markdown), schema)
    throw error
  }
}

function htmlOf(root: Root, schema: Schema): string {
  const tree = toHast(root, {
    // An agent writes about HTML far more often than in it: what it wrote must be readable, and never live.
    handlers: { html: (_state, node: { value: string }) => ({ type: 'text', value: node.value }) },
  })
  return toHtml(sanitize(tree, schema))
}
