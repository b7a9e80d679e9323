import { once } from '../lib/once.ts'

/** Made when it is first needed: it takes longer than the rest of a start's modules together. */
const letters = once(() => new Intl.Segmenter(undefined, { granularity: 'grapheme' }))

/** The first words of a text, on one line, at most `length` letters. */
export function gist(text: string, length = 80): string {
  // Only so much is looked at: a message may be a whole book.
  const line = text
    .slice(0, length * 20)
    .replace(/\s+/g, ' ')
    .trim()
  const all = Array.from(letters().segment(line), ({ segment }) => segment)
  return all.length <= length ? line : `${all.slice(0, length - 1).join('')}…`
}
