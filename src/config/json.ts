import { redactor } from '../lib/redact.ts'

/** Where and why a text is not JSON; line and column count from 1. */
export interface JsonFault {
  readonly line: number
  readonly column: number
  readonly what: string
  /** The line itself, without the secrets in it. */
  readonly shown: string
}

/** Parses JSON; a fault is a value. */
export async function parseJson(
  text: string,
): Promise<{ readonly value: unknown } | { readonly fault: JsonFault }> {
  try {
    return { value: JSON.parse(text) }
  } catch {
    // The parser's own words name a position for some faults only: another one finds it.
    return { fault: await locate(text) }
  }
}

/** Loads the second parser only where there is something to find. */
async function locate(text: string): Promise<JsonFault> {
  if (text.trim() === '') {
    return { line: 1, column: 1, what: 'the file is empty: {} is the least that it can hold', shown: '' }
  }
  const { parse, printParseErrorCode } = await import('jsonc-parser')
  const faults: import('jsonc-parser').ParseError[] = []
  parse(text, faults, { disallowComments: true, allowTrailingComma: false })
  const first = faults.toSorted((a, b) => a.offset - b.offset)[0]
  // Two parsers that disagree: then at least the end of the file is right.
  const offset = first?.offset ?? text.length
  const lines = text.slice(0, offset).split('\n')
  const line = lines.length
  return {
    line,
    column: (lines.at(-1) ?? '').length + 1,
    what: explain(
      first === undefined ? '' : printParseErrorCode(first.error),
      text.slice(0, offset),
      text.slice(offset),
    ),
    shown: redactor()((text.split('\n')[line - 1] ?? '').trim()),
  }
}

function explain(code: string, before: string, after: string): string {
  const next = after.trimStart()
  if (code === 'InvalidCommentToken') return 'JSON has no comments: remove it'
  if (/^[}\]]/.test(next) && /,\s*$/.test(before)) {
    return 'there is a comma before the closing bracket: remove the comma'
  }
  if (next.startsWith("'")) return 'JSON wants double quotes: write " for \''
  if (code === 'CommaExpected') return 'a comma is missing before this'
  if (code === 'ColonExpected') return 'a colon is missing before this'
  if (code === 'UnexpectedEndOfString') return 'the closing " is missing on this line'
  if (code === 'InvalidEscapeCharacter') return String.raw`\ must be written twice: \\`
  if (next === '') return 'the file ends too early: a closing } or ] is missing'
  if (code === 'EndOfFileExpected') return 'the file should have ended before this: remove the rest'
  if (code === 'PropertyNameExpected') return 'the name of a key is expected here, in double quotes'
  if (code === 'InvalidSymbol' || code === 'ValueExpected') {
    return 'a value is expected here: a text in double quotes, a number, true, false, a list or { … }'
  }
  return `${JSON.stringify(next.slice(0, 1))} is not expected here`
}
