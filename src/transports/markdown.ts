import type { Root } from 'mdast'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { gfm } from 'micromark-extension-gfm'

/** Reads CommonMark with GitHub's additions (tables, task lists, strikethrough, bare links). Never throws. */
export function parseMarkdown(source: string): Root {
  return fromMarkdown(source, {
    // A single tilde is a path or an approximation far more often than it is a deletion.
    extensions: [gfm({ singleTilde: false })],
    mdastExtensions: [gfmFromMarkdown()],
  })
}
