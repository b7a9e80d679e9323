/**
 * Parses JSON without losing a digit: a whole number that JavaScript's numbers cannot hold comes as a text. Throws as
 * `JSON.parse` does.
 */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, { source }: { readonly source?: string } = {}) => {
    const exact =
      typeof value !== 'number' ||
      source === undefined ||
      Number.isSafeInteger(value) ||
      !/^-?\d+$/.test(source)
    return exact ? value : source
  })
}
