/** Where and why a text is not JSON; line and column count from 1. */
export interface JsonFault {
  readonly line: number
  readonly column: number
  readonly what: string
  /** The line itself. */
  readonly shown: string
}

/** Parses JSON; a fault is a value. */
export function parseJson(text: string): { readonly value: unknown } | { readonly fault: JsonFault } {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    return { fault: locate(text, said) }
  }
}

function locate(text: string, said: string): JsonFault {
  const position = /at position (\d+)/.exec(said)?.[1]
  const before = position === undefined ? text.trimEnd() : text.slice(0, Number(position))
  const lines = before.split('\n')
  const line = lines.length
  const column = (lines.at(-1)?.length ?? 0) + 1
  return {
    line,
    column,
    what: explain(text, before, position === undefined),
    shown: text.split('\n')[line - 1] ?? '',
  }
}

function explain(text: string, before: string, atEnd: boolean): string {
  if (text.trim() === '') return 'the file is empty; {} is the least that it can hold'
  if (atEnd) return 'the file ends too early; a closing } or ] or " is missing'
  const next = text.slice(before.length)
  if (/^[}\]]/.test(next) && /,\s*$/.test(before))
    return 'there is a comma before the closing bracket; remove it'
  if (next.startsWith('/')) return 'JSON has no comments; remove it'
  if (next.startsWith("'")) return 'JSON wants double quotes'
  if (next.startsWith('"')) return 'a comma is missing before this'
  return `${JSON.stringify(next.slice(0, 1))} is not expected here`
}
