import { join, trim, type Formatted } from './formatted.ts'
import { heal } from './heal.ts'
import { formatMarkdown } from './markdown-entities.ts'

interface Settled {
  /** The beginning of a text, up to a place where a new block began. */
  readonly source: string
  readonly formatted: Formatted
}

/** As many texts as grow at the same time without forgetting each other. */
const remembered = 8

/**
 * Makes a function that formats texts which grow, and are shown again and again: what cannot change any more is
 * formatted once. What a text says about its own beginning only later (the address of a link by name) is shown
 * when it is whole.
 */
export function growingMarkdown(): (source: string) => Formatted {
  let texts: readonly Settled[] = []
  return (source) => {
    const known = texts.find((text) => source.startsWith(text.source))
    const settled = settle(source, known ?? { source: '', formatted: { text: '', entities: [] } })
    texts = [settled, ...texts.filter((text) => text !== known)].slice(0, remembered)
    return blocks(settled.formatted, formatMarkdown(heal(source.slice(settled.source.length))))
  }
}

/** Formats what has become certain since. */
function settle(source: string, { source: before, formatted }: Settled): Settled {
  const length = certain(source, before.length)
  if (length <= before.length) return { source: before, formatted }
  const more = formatMarkdown(source.slice(before.length, length))
  return { source: source.slice(0, length), formatted: blocks(formatted, more) }
}

function blocks(first: Formatted, second: Formatted): Formatted {
  return join(
    [first, second].map(trim).filter(({ text }) => text !== ''),
    () => '\n\n',
  )
}

/**
 * Where the last block begins of which it is certain that nothing before it goes on in it: after an empty line, in
 * the first column, with a letter or the marks of a heading, and not in a block of code.
 */
function certain(source: string, from: number): number {
  let position = from
  let found = from
  let fence: string | undefined
  let afterBlank = false
  for (const line of source.slice(from).split('\n')) {
    const marks = /^\s*(?:[-*+>]\s+|\d{1,9}[.)]\s+)*(`{3,}|~{3,})(.*)$/.exec(line)
    if (fence === undefined) {
      if (afterBlank && /^(?:\p{L}|#{1,6} )/u.test(line)) found = position
      if (marks?.[1] !== undefined) fence = marks[1]
    } else if (marks?.[1]?.startsWith(fence) === true && (marks[2] ?? '').trim() === '') {
      fence = undefined
    }
    afterBlank = line.trim() === ''
    position += line.length + 1
  }
  return found
}
