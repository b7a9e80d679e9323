type Style = 'bold' | 'italic' | 'strikethrough' | 'code' | 'blockquote' | 'expandable_blockquote'

export type Look =
  | { readonly type: Style }
  | { readonly type: 'pre'; readonly language?: string }
  | { readonly type: 'text_link'; readonly url: string }

/** A stretch of text that looks different. Offset and length are in UTF-16 units. */
export type Entity = Look & { readonly offset: number; readonly length: number }

/** Text and its looks, apart from each other: nothing in it needs escaping, and nothing in it can fail to parse. */
export interface Formatted {
  readonly text: string
  readonly entities: readonly Entity[]
}

export function plain(text: string): Formatted {
  return { text, entities: [] }
}

/** The whole text in one look; without a look where there is nothing to see. */
export function whole(text: string, look: Look): Formatted {
  return { text, entities: text === '' ? [] : [{ ...look, offset: 0, length: text.length }] }
}

/** From `from` to before `to`, both in UTF-16 units. An entity that crosses an end is cut there. */
export function slice({ text, entities }: Formatted, from: number, to: number): Formatted {
  return {
    text: text.slice(from, to),
    entities: entities.flatMap((entity) => {
      const start = Math.max(entity.offset, from)
      const end = Math.min(entity.offset + entity.length, to)
      return end > start ? [{ ...entity, offset: start - from, length: end - start }] : []
    }),
  }
}

/** One after another, with `gap(previous, next)` between them. */
export function join<Piece extends Formatted>(
  pieces: readonly Piece[],
  gap: (previous: Piece, next: Piece) => string,
): Formatted {
  let text = ''
  const entities: Entity[] = []
  let previous: Piece | undefined
  for (const piece of pieces) {
    if (previous !== undefined) text += gap(previous, piece)
    const shift = text.length
    for (const entity of piece.entities) entities.push({ ...entity, offset: entity.offset + shift })
    text += piece.text
    previous = piece
  }
  return { text, entities }
}

/** Without what the server would take away at its ends: blanks, but for the indentation of code that comes first. */
export function trim(piece: Formatted): Formatted {
  const end = piece.text.trimEnd().length
  const blanks = piece.text.length - piece.text.trimStart().length
  const first = piece.entities.reduce((lowest, { offset }) => Math.min(lowest, offset), blanks)
  return slice(piece, Math.min(first, end), end)
}
