import { sanitize, type Schema } from 'hast-util-sanitize'
import { toHtml } from 'hast-util-to-html'
import { toHast } from 'mdast-util-to-hast'
import { parseMarkdown } from './markdown.ts'

/** Renders Markdown as HTML with nothing in it but what `schema` allows. HTML inside the Markdown is shown as text. */
export function renderHtml(markdown: string, schema: Schema): string {
  const tree = toHast(parseMarkdown(markdown), {
    // An agent writes about HTML far more often than in it: what it wrote must be readable, and never live.
    handlers: { html: (_state, node: { value: string }) => ({ type: 'text', value: node.value }) },
  })
  return toHtml(sanitize(tree, schema))
}
