/** What an agent puts into its answer for the chat to do. */
export interface Marks {
  /** The text without its marks. */
  readonly text: string
  /** Paths, as the agent wrote them: `<file:/path>`. */
  readonly files: readonly string[]
  /** Labels: `[button:Yes]`. */
  readonly buttons: readonly string[]
}

const mark = /<file:([^<>\n]{1,4096})>|\[button:([^[\]\n]{1,200})\]/g
/** Code is shown as it is: what stands in it is an example, not a wish. */
const code =
  /(^|\n)[ \t]*(`{3,}|~{3,})[\s\S]*?(?:\n[ \t]*\2[`~]*[ \t]*(?=\n|$)|$)|(`+)(?!`)[^\n]*?[^`]\3(?!`)/g
const mostButtons = 50

/** Takes the marks out of a text. */
export function readMarks(source: string): Marks {
  if (!source.includes('<file:') && !source.includes('[button:'))
    return { text: source, files: [], buttons: [] }
  const files: string[] = []
  const buttons: string[] = []
  const read = (stretch: string): string =>
    stretch.replace(mark, (_all, path: string | undefined, label: string | undefined) => {
      if (path !== undefined) files.push(path.trim())
      if (label !== undefined && buttons.length < mostButtons) buttons.push(label.trim())
      return ''
    })
  let text = ''
  let from = 0
  for (const found of source.matchAll(code)) {
    text += read(source.slice(from, found.index)) + found[0]
    from = found.index + found[0].length
  }
  text += read(source.slice(from))
  const found = files.length + buttons.length > 0
  return { text: found ? tidy(text) : source, files, buttons }
}

/** A mark on a line of its own leaves no empty lines behind. */
function tidy(text: string): string {
  return text
    .replace(/[ \t]+$/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()
}

/** While the text still grows: a mark that has only begun is not shown yet. */
export function withoutOpenMark(text: string): string {
  return text.replace(
    /(?:<(?:f(?:i(?:l(?:e(?::[^<>\n]*)?)?)?)?)?|\[(?:b(?:u(?:t(?:t(?:o(?:n(?::[^[\]\n]*)?)?)?)?)?)?)?)$/,
    '',
  )
}
