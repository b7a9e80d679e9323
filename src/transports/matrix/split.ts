import { fenceAfter, type Fence } from './fence.ts'

/** From here on a stretch of text ends at the next border between paragraphs, also while the text still grows. */
const longStretch = 4_000

/**
 * Cuts text into stretches for a message each: at borders between paragraphs, outside blocks of code. While the text
 * grows, the stretch at its end is left out; the others never change, whatever follows. Joined, the stretches of ended
 * text are the text.
 */
export function stretches(text: string, ended: boolean): readonly string[] {
  const found: string[] = []
  let start = 0
  let fence: Fence | undefined
  let afterBlank = false
  for (const { line, offset } of linesOf(text)) {
    // An indented line may still belong to a list above.
    const begins = /^\S/.test(line)
    if (begins && afterBlank && fence === undefined && offset - start >= longStretch) {
      found.push(text.slice(start, offset))
      start = offset
    }
    fence = fenceAfter(line, fence)
    afterBlank = line.trim() === ''
  }
  return ended ? [...found, text.slice(start)] : found
}

/**
 * Cuts Markdown in two near its middle: between paragraphs, or else lines, words, characters. A block of code that is
 * cut is closed in the first half and opened again in the second. Nothing but white space at the cut is lost.
 */
export function halveMarkdown(markdown: string): readonly [string, string] {
  const lines = [...linesOf(markdown)]
  let fence: Fence | undefined
  let afterBlank = false
  const paragraphs: number[] = []
  const all: number[] = []
  const fences = new Map<number, Fence>()
  for (const { line, offset } of lines) {
    if (fence !== undefined) fences.set(offset, fence)
    if (afterBlank && fence === undefined) paragraphs.push(offset)
    all.push(offset)
    fence = fenceAfter(line, fence)
    afterBlank = line.trim() === ''
  }
  const cut = nearMiddle(paragraphs, markdown) ?? nearMiddle(all, markdown)
  if (cut === undefined) return halveLine(markdown, lines)
  const open = fences.get(cut)
  if (open === undefined) return [markdown.slice(0, cut), markdown.slice(cut)]
  return [`${markdown.slice(0, cut)}${open.marks}`, `${open.opening}\n${markdown.slice(cut)}`]
}

/** Cuts plain text in two near its middle: between lines, or else words, characters. */
export function halvePlain(text: string): readonly [string, string] {
  const cut =
    nearMiddle(
      [...linesOf(text)].map(({ offset }) => offset),
      text,
    ) ?? insideLine(text)
  return [text.slice(0, cut), text.slice(cut)]
}

/** One line is longer than all the others together: the cut is inside it. */
function halveLine(markdown: string, lines: readonly Line[]): readonly [string, string] {
  const cut = insideLine(markdown)
  let fence: Fence | undefined
  for (const { line, offset } of lines) {
    if (offset + line.length >= cut) break
    fence = fenceAfter(line, fence)
  }
  if (fence === undefined) return [markdown.slice(0, cut), markdown.slice(cut)]
  return [`${markdown.slice(0, cut)}\n${fence.marks}`, `${fence.opening}\n${markdown.slice(cut)}`]
}

/** The offset nearest to the middle, if one is near enough for both halves to be much smaller than the whole. */
function nearMiddle(offsets: readonly number[], { length }: string): number | undefined {
  const near = offsets.filter((offset) => offset >= length / 4 && offset <= (length * 3) / 4)
  const distance = (offset: number): number => Math.abs(offset - length / 2)
  return near.reduce<number | undefined>(
    (best, offset) => (best === undefined || distance(offset) < distance(best) ? offset : best),
    undefined,
  )
}

/** Between two words near the middle, or at the middle, but never inside a character. */
function insideLine(text: string): number {
  const middle = Math.floor(text.length / 2)
  const space = text.lastIndexOf(' ', middle)
  if (space >= text.length / 4) return space + 1
  const code = text.charCodeAt(middle)
  const inPair = code >= 0xdc00 && code <= 0xdfff
  return inPair ? middle + 1 : middle
}

interface Line {
  /** Without its end. */
  readonly line: string
  readonly offset: number
}

function* linesOf(text: string): Generator<Line> {
  let offset = 0
  while (offset < text.length) {
    const end = text.indexOf('\n', offset)
    yield { line: text.slice(offset, end === -1 ? undefined : end), offset }
    if (end === -1) return
    offset = end + 1
  }
}
