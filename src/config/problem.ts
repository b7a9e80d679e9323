import { z } from 'zod'

/** One thing that keeps the file from working: where, what is wrong and what would be right. For a person to read. */
export interface Problem {
  readonly key: string
  readonly wrong: string
  /** Empty where `wrong` says it all. */
  readonly right: string
}

export function sentence({ key, wrong, right }: Problem): string {
  return `${key}: ${wrong}${right === '' ? '' : ` – ${right}`}`
}

/** What zod itself says where a schema has no words of its own. For `safeParse(file, { error: plainWords })`. */
export const plainWords: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_type') return `must be ${kinds[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') {
    return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
  }
  return undefined
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text in double quotes',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list: [ … ]',
  object: 'a block: { … }',
  record: 'a block: { … }',
}

/** All that a schema found wrong with `value`, which stands under the key `under` in the file. */
export function problemsOf(error: z.ZodError, value: unknown, under: readonly string[] = []): Problem[] {
  return error.issues.map(({ path, message }) => ({
    key: keyOf([...under, ...path]),
    ...inTwo(message, path, valueAt(value, path)),
  }))
}

function keyOf(path: readonly PropertyKey[]): string {
  const words = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
  return words.join('').replace(/^\./, '')
}

/** The adapters say it in one sentence each; what is wrong goes before what would be right. */
function inTwo(
  message: string,
  path: readonly PropertyKey[],
  value: unknown,
): { wrong: string; right: string } {
  if (value === undefined) return { wrong: 'is missing', right: message.replace(/^is missing(?:: |$)/, '') }
  if (message.startsWith('must ')) return { wrong: shown(path, value), right: `it ${message}` }
  const [, wrong, right] = /^(.+?)(?:: |[.;] )(.+)$/s.exec(message) ?? []
  return wrong === undefined || right === undefined ? { wrong: message, right: '' } : { wrong, right }
}

/** Never the value of a secret, and never a long one. */
function shown(path: readonly PropertyKey[], value: unknown): string {
  if (/token|password|secret|key$/i.test(path.map(String).join('.')) || path.includes('env'))
    return 'is not right'
  const text = JSON.stringify(value)
  return text === undefined || text.length > 60 ? 'is not right' : `is ${text}`
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  return typeof value === 'object' && value !== null ? valueAt(Reflect.get(value, key), rest) : undefined
}
