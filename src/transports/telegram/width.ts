const wide =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE4F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji}\uFE0F)/u
const hidden = /^[\p{Mn}\p{Me}\p{Cf}]+$/u
const segments = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** How many columns the text takes in a font of fixed width. */
export function width(text: string): number {
  // oxlint-disable-next-line no-control-regex -- the range of ASCII, control characters and all
  if (/^[\u0000-\u007F]*$/.test(text)) return text.length
  let columns = 0
  for (const { segment } of segments.segment(text)) {
    columns += wide.test(segment) ? 2 : hidden.test(segment) ? 0 : 1
  }
  return columns
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)))
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - width(text))) + text
}
