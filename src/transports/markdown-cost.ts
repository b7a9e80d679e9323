/** Longer texts are not read as Markdown, in characters. */
const longest = 200_000
/** What the parser may take beyond its usual pace, in microseconds. */
const mostCost = 200_000

/** Would parsing it take seconds, for something that no person would write or read? */
export function isTooCostly(source: string): boolean {
  return source.length > longest || costOf(source) > mostCost
}

/**
 * About how much longer than usual the parser would take for this Markdown, in microseconds of a small machine. It is
 * quadratic in things that no person writes by the thousand: marks of emphasis in one paragraph, brackets, quotes,
 * lists. The factors were measured; a guess that is too high costs nothing but the look of a monstrous text.
 */
function costOf(source: string): number {
  let cost = 0
  let block = emptyBlock
  let containers = 0
  let depths = 0
  for (const line of source.split(/\r\n?|\n/)) {
    const depth = depthOf(line)
    if (depth > deepest) return Infinity
    if (isContainer(line)) {
      containers += 1
      depths += depth
    }
    if (line.trim() === '') {
      cost += costOfBlock(block)
      block = emptyBlock
    } else block = withLine(block, line)
  }
  return cost + costOfBlock(block) + 0.1 * containers ** 2 + 0.005 * depths ** 2
}

/** Quotes and lists in each other. */
const deepest = 40

const marker = /(?:>|[-*+](?=\s|$)|\d{1,9}[.)](?=\s|$)|\[\^?[^\]]*\]:)/

function isContainer(line: string): boolean {
  return new RegExp(`^\\s*${marker.source}`).test(line)
}

/** How many quotes and lists the line may lie in: by its markers, or by its indentation. */
function depthOf(line: string): number {
  const [beginning = ''] = new RegExp(`^(?:\\s*${marker.source}){1,41}`).exec(line) ?? []
  const markers = beginning.match(new RegExp(marker.source, 'g'))?.length ?? 0
  return markers + 1
}

/** What stands together without an empty line. */
interface Block {
  readonly length: number
  readonly lines: number
  readonly containers: number
  /** Runs of `*`, `_` and `~`. */
  readonly marks: number
  readonly brackets: number
  /** Escaped backticks: the runs behind them may find no partner, and are looked for to the end. */
  readonly ticks: number
  /** Beginnings of HTML that runs on to a mark of its end. */
  readonly instructions: number
  /** Lines that might underline a heading. */
  readonly underlines: number
  /** Addresses that stand in one word, times its length. */
  readonly addresses: number
  /** Of the widest table. */
  readonly columns: number
}

const emptyBlock: Block = {
  length: 0,
  lines: 0,
  containers: 0,
  marks: 0,
  brackets: 0,
  ticks: 0,
  instructions: 0,
  underlines: 0,
  addresses: 0,
  columns: 0,
}

function withLine(block: Block, line: string): Block {
  const isRule = /^[\s>|:-]*-[\s>|:-]*$/.test(line)
  return {
    length: block.length + line.length + 1,
    lines: block.lines + 1,
    containers: block.containers + (isContainer(line) ? 1 : 0),
    marks: block.marks + count(line, /\*+|_+|~+/g),
    brackets: block.brackets + count(line, /[[\]]/g),
    ticks: block.ticks + count(line, /\\`/g),
    instructions: block.instructions + count(line, /<[?!]/g),
    underlines: block.underlines + (/^[\s>]*(?:=+|-+)\s*$/.test(line) ? 1 : 0),
    addresses: block.addresses + addressesIn(line),
    columns: isRule ? Math.max(block.columns, count(line, /\|/g) + 1) : block.columns,
  }
}

function costOfBlock(block: Block): number {
  const { length, lines, containers, marks, brackets, ticks, instructions, underlines, addresses, columns } =
    block
  return (
    (containers === 0 ? 0 : 0.025 * lines ** 2) +
    0.025 * marks ** 2 +
    0.015 * brackets ** 2 +
    0.04 * ticks * length +
    0.01 * instructions * length +
    0.11 * underlines ** 2 +
    0.3 * addresses +
    10 * columns * lines
  )
}

function addressesIn(line: string): number {
  let sum = 0
  for (const [word] of line.matchAll(/\S{100,}/g)) sum += count(word, /www\.|https?:|@/gi) * word.length
  return sum
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}
