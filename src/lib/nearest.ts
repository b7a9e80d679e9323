import { closest, distance } from 'fastest-levenshtein'

/** The one of `words` that `word` was probably meant to be; undefined where none is near enough to be a slip. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  if (words.length === 0) return undefined
  const small = word.toLowerCase()
  const found = closest(small, [...words])
  // Two letters that changed places are two slips.
  return distance(small, found.toLowerCase()) <= Math.max(2, Math.floor(found.length / 3)) ? found : undefined
}
