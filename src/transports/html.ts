import { createRequire } from 'node:module'
import type { Schema } from 'hast-util-sanitize'
import type { Root } from 'mdast'
import { once } from '../lib/once.ts'
import { parseMarkdown, plainText } from './markdown.ts'

const require = createRequire(import.meta.url)

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
  const { toHast, sanitize, toHtml } = writers()
  const tree = toHast(root, {
    // An agent writes about HTML far more often than in it: what it wrote must be readable, and never live.
    handlers: { html: (_state, node: { value: string }) => ({ type: 'text', value: node.value }) },
  })
  return toHtml(sanitize(tree, schema))
}

/** Loaded with the first text that needs them. */
const writers = once(() => {
  const { toHast }: typeof import('mdast-util-to-hast') = require('mdast-util-to-hast')
  const { sanitize }: typeof import('hast-util-sanitize') = require('hast-util-sanitize')
  const { toHtml }: typeof import('hast-util-to-html') = require('hast-util-to-html')
  return { toHast, sanitize, toHtml }
})
