import { isBlank } from './clean-text.ts'
import { slice, trim, type Entity, type Formatted } from './formatted.ts'

export interface Limits {
  /** As Telegram counts: Unicode code points, after the looks were taken apart. */
  readonly characters: number
  /** The server forgets the looks beyond these. */
  readonly entities: number
  /** Bytes of all looks together, their links among them: it refuses a message with more (about 9,500). */
  readonly entityBytes: number
}

export const messageLimits: Limits = { characters: 4096, entities: 100, entityBytes: 8000 }

/**
 * Cuts a long text into messages: between paragraphs where it can, else between lines, else between words. A look
 * that is cut goes on in the next message. Nothing but blanks is lost, and no message is blank.
 */
export function split(long: Formatted, limits: Limits = messageLimits): readonly Formatted[] {
  const pieces: Formatted[] = []
  let from = 0
  while (from < long.text.length) {
    const end = farthest(long, from, limits)
    const to = end === long.text.length ? end : from + bestCut(long, from, end)
    const piece = trim(slice(long, from, to))
    if (!isBlank(piece.text)) pieces.push(piece)
    from = to
  }
  return pieces
}

/** The end of the longest piece that begins at `from` and keeps the limits. */
function farthest({ text, entities }: Formatted, from: number, limits: Limits): number {
  let end = from
  for (let count = 0; count < limits.characters && end < text.length; count += 1) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1
  }
  const touched = entities
    .filter(({ offset, length }) => offset + length > from && offset < end)
    .toSorted((a, b) => a.offset - b.offset)
  let bytes = 0
  const tooMany = touched.find((entity, index) => {
    bytes += bytesOf(entity)
    return index >= limits.entities || bytes > limits.entityBytes
  })
  // Entities that begin at `from` itself cannot be cut away; the server may then forget some of them.
  return tooMany === undefined || tooMany.offset <= from ? end : Math.min(end, tooMany.offset)
}

/** A look by itself takes a few. */
function bytesOf(entity: Entity): number {
  const more = entity.type === 'text_link' ? entity.url : entity.type === 'pre' ? (entity.language ?? '') : ''
  return 16 + Buffer.byteLength(more)
}

/** A length of the piece from `from` to at most `end`, at the best place for a cut. */
function bestCut({ text, entities }: Formatted, from: number, end: number): number {
  // One more, so that a break just behind the piece is seen.
  const window = text.slice(from, end + 1)
  const longest = end - from
  const codes = entities.filter(({ type }) => type === 'pre')
  const inCode = (cut: number): boolean =>
    codes.some(({ offset, length }) => offset < from + cut && from + cut < offset + length)
  const last = (breaks: RegExp, least: number, codeToo: boolean): number | undefined =>
    Array.from(window.matchAll(breaks), ({ index, 0: found }) => Math.min(index + found.length, longest))
      .filter((cut) => cut >= longest * least && (codeToo || !inCode(cut)))
      .at(-1)
  return (
    last(/\n{2,}/g, 0.5, false) ??
    last(/\n+/g, 0.5, false) ??
    last(/\n/g, 0.3, true) ??
    last(/\s/g, 0.3, true) ??
    betweenCharacters(text.slice(from, end + 2), longest)
  )
}

const characters = new Intl.Segmenter()

/** Not within what is one character to the eye: an emoji of several, a flag, a letter with its marks. */
function betweenCharacters(text: string, cut: number): number {
  return characters.segment(text).containing(cut)?.index || cut
}
