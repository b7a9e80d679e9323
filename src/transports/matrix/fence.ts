/** A block of code that a line of Markdown has opened. */
export interface Fence {
  /** The backticks or tildes that opened it. */
  readonly marks: string
  /** How the block is opened again in another message. */
  readonly opening: string
}

/** Longer ones are decoration, and too long to be repeated with every cut. */
const fenceMarks = /^\s*(`{3,100}(?!`)|~{3,100}(?!~))(.*)$/

/**
 * The open block of code after `line`, which was read inside `fence`. Lists may indent a block by any width, so
 * indentation is not looked at.
 */
export function fenceAfter(line: string, fence: Fence | undefined): Fence | undefined {
  const [, marks = '', rest = ''] = fenceMarks.exec(line) ?? []
  if (fence === undefined) {
    if (marks === '' || (marks.startsWith('`') && rest.includes('`'))) return undefined
    const language = /^\s*([\w+#.-]{1,40})/.exec(rest)?.[1] ?? ''
    return { marks, opening: `${marks}${language}` }
  }
  const closes = marks.startsWith(fence.marks) && rest.trim() === ''
  return closes ? undefined : fence
}

/** Code between marks that it does not hold itself. */
export function fenced(code: string, language = ''): string {
  const longest = Math.max(2, ...[...code.matchAll(/`{3,}/g)].map(([run]) => run.length))
  const marks = '`'.repeat(longest + 1)
  return `${marks}${/^[\w+#.-]{1,40}$/.test(language) ? language : ''}\n${code}\n${marks}`
}
