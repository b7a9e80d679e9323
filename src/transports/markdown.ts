import { createRequire } from 'node:module'
import type { PhrasingContent, Root } from 'mdast'
import { once } from '../lib/once.ts'
import { isTooCostly } from './markdown-cost.ts'

const require = createRequire(import.meta.url)

/**
 * Reads CommonMark with GitHub's additions (tables, task lists, strikethrough, bare links). Never throws, and never
 * takes longer than a moment: what would is read as plain text, line by line.
 */
export function parseMarkdown(source: string): Root {
  if (isTooCostly(source)) return plainText(source)
  try {
    return parser()(source)
  } catch (error) {
    // Too much in each other for the stack. The words are still there to be read.
    if (error instanceof RangeError) return plainText(source)
    throw error
  }
}

/** Loaded with the first text that needs it: two hundred modules that a start can do without. */
const parser = once((): ((source: string) => Root) => {
  const { fromMarkdown }: typeof import('mdast-util-from-markdown') = require('mdast-util-from-markdown')
  const { gfmFromMarkdown }: typeof import('mdast-util-gfm') = require('mdast-util-gfm')
  const { gfm }: typeof import('micromark-extension-gfm') = require('micromark-extension-gfm')
  const options = {
    // A single tilde is a path or an approximation far more often than it is a deletion.
    extensions: [gfm({ singleTilde: false })],
    mdastExtensions: [gfmFromMarkdown()],
  }
  return (source) => fromMarkdown(source, options)
})

/** Text as it is, line by line. */
export function plainText(source: string): Root {
  const children = source.split(/\r\n?|\n/).flatMap((value, index): PhrasingContent[] => {
    const text: PhrasingContent = { type: 'text', value }
    return index === 0 ? [text] : [{ type: 'break' }, text]
  })
  return { type: 'root', children: [{ type: 'paragraph', children }] }
}
