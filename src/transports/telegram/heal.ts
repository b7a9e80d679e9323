import remend from 'remend'

/**
 * Closes what the end of an unfinished Markdown text leaves open, so that its marks do not flicker as plain text
 * while the agent writes: `a **bo` becomes `a **bo**`. Only the last stretch can still change; the rest stays as it is.
 */
export function heal(source: string): string {
  const from = lastStretch(source)
  // The first marks of the line that will end the block.
  if (from === undefined) return source.replace(/\n[ \t]*[`~]{1,3}$/, '')
  const tail = remend(closeCode(source.slice(from).replace(barrenEnd, '').replace(openLink, '$1')), {
    katex: false,
    setextHeadings: false,
    htmlTags: false,
    linkMode: 'text-only',
  })
  return source.slice(0, from) + tail.replaceAll('(streamdown:incomplete-image)', '()')
}

/** Marks with nothing behind them yet: it is too early to say what they mean. */
const barrenEnd = /(?:^|\n)[ \t]*(?:[-=*_~`#>|+:]+|\d{1,9}[.)])[ \t]*(?:\[[ xX]?\]?)?$|[ \t]+[*_~`[!]+$/
/** Words in brackets at the very end are most often a link whose address is still to come. */
const openLink = /\[([^[\]\n]+)\]$/

/** Code is closed first, as it is always the innermost. */
function closeCode(tail: string): string {
  let open: string | undefined
  for (const [run] of tail.matchAll(/`+/g)) {
    if (open === undefined) open = run
    else if (open === run) open = undefined
  }
  return open === undefined ? tail : tail + open
}

/** Where the block begins that the text ends in; undefined within a block of code, where marks are no marks. */
function lastStretch(source: string): number | undefined {
  let position = 0
  let from = 0
  let fence: string | undefined
  for (const line of source.split('\n')) {
    const end = position + line.length + 1
    const marks = /^\s*(?:[-*+>]\s+|\d{1,9}[.)]\s+)*(`{3,}|~{3,})([^`]*)$/.exec(line)
    if (fence === undefined) {
      if (marks?.[1] !== undefined) fence = marks[1]
      else if (line.trim() === '') from = end
      else if (/^\s*(?:[-*+>|]|#{1,6}|\d{1,9}[.)])(?:\s|$)/.test(line)) from = position
    } else if (closes(fence, marks)) {
      fence = undefined
      from = end
    }
    position = end
  }
  return fence === undefined ? Math.min(from, source.length) : undefined
}

function closes(fence: string, marks: RegExpExecArray | null): boolean {
  return marks?.[1] !== undefined && marks[1].startsWith(fence) && (marks[2] ?? '').trim() === ''
}
