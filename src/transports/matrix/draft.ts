import type { TextContent } from './content.ts'
import { matrixHtml, onlyParagraph, plainHtml } from './html.ts'
import { halveMarkdown, halvePlain } from './split.ts'

/** Half of what an event may hold, for all that the homeserver and encryption add to it. In bytes of JSON. */
const largest = 32_000

export interface Piece {
  readonly source: string
  readonly markdown: boolean
  /** A line beside the message itself. */
  readonly small?: boolean
}

/** One message, before it is known whether it fits into one event. */
export interface Draft {
  readonly msgtype: 'm.text' | 'm.notice'
  readonly pieces: readonly Piece[]
}

/** The events that hold this message: one, or as many as it needs. */
export function fit(draft: Draft): readonly TextContent[] {
  const { pieces } = draft
  const bytes = pieces.reduce((sum, { source }) => sum + Buffer.byteLength(source), 0)
  // Text and HTML are both in the event: much longer text need not be tried.
  const content = bytes > largest ? undefined : contentOf(draft)
  if (content !== undefined && Buffer.byteLength(JSON.stringify(content)) <= largest) return [content]
  return halve(pieces).flatMap((half) => fit({ ...draft, pieces: half }))
}

function halve(pieces: readonly Piece[]): readonly (readonly Piece[])[] {
  const [first, ...others] = pieces
  if (first === undefined) return []
  if (others.length > 0) return [[first], others]
  const halves = first.markdown ? halveMarkdown(first.source) : halvePlain(first.source)
  return halves.map((source) => [{ ...first, source }])
}

function contentOf({ msgtype, pieces }: Draft): TextContent {
  const body = pieces.map(({ source }) => source).join('\n\n')
  const htmls = pieces.map(({ source, markdown, small }) => {
    if (markdown) return matrixHtml(source)
    return small === true ? `<p><sub>${plainHtml(source)}</sub></p>` : `<p>${plainHtml(source)}</p>`
  })
  if (htmls.includes(undefined)) return { msgtype, body }
  const html = onlyParagraph(htmls.join('\n'))
  // Nothing in it that the text does not say by itself.
  if (html === plainHtml(body)) return { msgtype, body }
  return { msgtype, body, format: 'org.matrix.custom.html', formatted_body: html }
}
