const lineFeed = 0x0a
const carriageReturn = 0x0d

/** 64 MB: far above any line that a CLI has been seen to write, far below what hurts. */
export const defaultLineLimit = 64 * 1024 * 1024

/** A line without its end, or the size of one that was too long to keep. */
export type Line =
  | { readonly type: 'line'; readonly text: string }
  | { readonly type: 'too-long'; readonly bytes: number }

/**
 * Splits a stream of bytes into lines at LF alone: other separators (U+2028) are legal inside JSON strings.
 * A line of more than `limit` bytes is skipped and told by its size; no more than `limit` bytes are ever kept.
 * Invalid UTF-8 becomes U+FFFD. Empty lines are left out. A last line needs no LF.
 */
export async function* linesOf(
  source: AsyncIterable<Uint8Array>,
  limit = defaultLineLimit,
): AsyncGenerator<Line> {
  let parts: Uint8Array[] = []
  let bytes = 0

  const add = (part: Uint8Array) => {
    bytes += part.length
    if (bytes > limit) parts = []
    else if (part.length > 0) parts.push(part)
  }
  const take = (): Line | undefined => {
    const line = bytes > limit ? { type: 'too-long' as const, bytes } : decoded(parts)
    parts = []
    bytes = 0
    return line
  }

  for await (const chunk of source) {
    let from = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, from)) {
      add(chunk.subarray(from, end))
      from = end + 1
      const line = take()
      if (line !== undefined) yield line
    }
    add(chunk.subarray(from))
  }
  const last = take()
  if (last !== undefined) yield last
}

function decoded(parts: readonly Uint8Array[]): Line | undefined {
  const whole = Buffer.concat(parts)
  const end = whole.at(-1) === carriageReturn ? whole.length - 1 : whole.length
  return end === 0 ? undefined : { type: 'line', text: whole.toString('utf8', 0, end) }
}
