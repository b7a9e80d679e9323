import type { PhrasingContent, Root } from 'mdast'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { gfm } from 'micromark-extension-gfm'
import { isTooCostly } from './markdown-cost.ts'

/**
 * Reads CommonMark with GitHub's additions (tables, task lists, strikethrough, bare links). Never throws, and never
 * takes longer than a moment: what would is read as plain text, line by line.
 */
export function parseMarkdown(source: string): Root {
  if (isTooCostly(source)) return plainText(source)
  try {
    return fromMarkdown(source, {
      // A single tilde is a path or an approximation far more often than it is a deletion.
      extensions: [gfm({ singleTilde: false })],
      mdastExtensions: [gfmFromMarkdown()],
    })
  } catch (error) {
    // Too much in each other for the stack. The words are still there to be read.
    if (error instanceof RangeError) return plainText(source)
    throw error
  }
}

/** Text as it is, line by line. */
export function plainText(source: string): Root {
  const children = source.split(/\r\n?|\n/).flatMap((value, index): PhrasingContent[] => {
    const text: PhrasingContent = { type: 'text', value }
    return index === 0 ? [text] : [{ type: 'break' }, text]
  })
  return { type: 'root', children: [{ type: 'paragraph', children }] }
}
