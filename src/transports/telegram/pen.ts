import type { Entity, Formatted, Look } from './formatted.ts'

/** Characters from which a quote is folded. */
const longQuote = 600

/**
 * Writes text and its looks from the beginning to the end, and keeps Telegram's rules about what may stand in what:
 * nothing in code, no quote in a quote, no link in a link, no look twice.
 */
export class Pen {
  /** What the innermost look has written so far; what the looks around it wrote is `#before` long. */
  #text = ''
  #before = 0
  /** The blanks at the very end of all that was written. */
  #blanks = ''
  readonly #entities: Entity[] = []
  readonly #open = new Set<Look['type']>()
  readonly #indents: string[] = []

  /** In UTF-16 units. */
  get length(): number {
    return this.#before + this.#text.length
  }

  /** Writes text; its lines after the first begin at the indentation that holds here. */
  write(text: string): void {
    this.#append(this.#indents.length === 0 ? text : text.replaceAll('\n', `\n${this.#indents.join('')}`))
  }

  /** Begins a line, after `blank` empty ones; at the very beginning it does nothing. */
  newLine(blank = 0): void {
    if (this.length === 0) return
    const breaks = this.#blanks.split('\n').length - 1
    const missing = blank + 1 - breaks
    if (missing > 0) this.#append('\n'.repeat(missing) + this.#indents.join(''))
  }

  /** Lines that are begun within `draw` start with `indent`. */
  indented(indent: string, draw: () => void): void {
    this.#indents.push(indent)
    draw()
    this.#indents.pop()
  }

  /** Gives a look to what `draw` writes, unless it cannot have it here. Returns what was written. */
  styled(look: Look | undefined, draw: () => void): string {
    const offset = this.length
    const before = this.#entities.length
    const type = look !== undefined && this.#allows(look.type) ? look.type : undefined
    if (type !== undefined) this.#open.add(type)
    const written = this.#written(draw)
    if (look === undefined || type === undefined) return written
    this.#open.delete(type)
    const end = written.trimEnd().length
    // The indentation of code belongs to it, and to what is around it; elsewhere a look on blanks is nothing.
    const within = this.#entities.slice(before).map((inner) => inner.offset - offset)
    const start = type === 'pre' ? 0 : Math.min(written.length - written.trimStart().length, ...within)
    if (end > start) this.#entities.push({ ...look, offset: offset + start, length: end - start })
    return written
  }

  /** A quote; a long one is folded. */
  quote(draw: () => void): void {
    const before = this.#entities.length
    const written = this.styled({ type: 'blockquote' }, draw)
    const made = this.#entities.findIndex(({ type }, index) => index >= before && type === 'blockquote')
    const entity = this.#entities[made]
    if (entity !== undefined && written.length > longQuote) {
      this.#entities[made] = { ...entity, type: 'expandable_blockquote' }
    }
  }

  /** Code is written as it is, whatever the indentation. */
  code(text: string, language?: string): void {
    if (this.#blanks.includes('\n')) this.#unindent()
    this.styled({ type: 'pre', ...(language === undefined ? {} : { language }) }, () => this.#append(text))
  }

  finish(): Formatted {
    const text = this.#text
    const codes = this.#entities.filter(isCode)
    const entities = this.#entities
      .flatMap((entity) => aroundCode(entity, codes))
      .filter(({ offset, length }) => text.slice(offset, offset + length).trim() !== '')
      .toSorted((a, b) => a.offset - b.offset || b.length - a.length || rank(a) - rank(b))
    return { text, entities }
  }

  #append(text: string): void {
    const blanks = text.length - text.trimEnd().length
    this.#blanks = (blanks === text.length ? this.#blanks : '') + text.slice(text.length - blanks)
    this.#text += text
  }

  #written(draw: () => void): string {
    const outer = this.#text
    this.#before += outer.length
    this.#text = ''
    draw()
    const written = this.#text
    this.#before -= outer.length
    this.#text = outer + written
    return written
  }

  /** Takes back the indentation of a line that was only begun. */
  #unindent(): void {
    const indentation = this.#blanks.length - this.#blanks.lastIndexOf('\n') - 1
    if (indentation === 0 || indentation > this.#text.length) return
    this.#text = this.#text.slice(0, -indentation)
    this.#blanks = this.#blanks.slice(0, -indentation)
  }

  #allows(type: Look['type']): boolean {
    const open = this.#open
    if (open.has(type) || open.has('pre') || open.has('code')) return false
    if (type === 'code') return !open.has('text_link')
    return true
  }
}

/** Of two looks of the same words, which one is around the other. */
function rank({ type }: Entity): number {
  if (type === 'blockquote' || type === 'expandable_blockquote') return 0
  return type === 'code' || type === 'pre' ? 2 : 1
}

function isCode({ type }: Entity): boolean {
  return type === 'code' || type === 'pre'
}

/** Bold and its like may not hold code: they stop before it and go on after it. `codes` are in their order. */
function aroundCode(entity: Entity, codes: readonly Entity[]): readonly Entity[] {
  if (entity.type !== 'bold' && entity.type !== 'italic' && entity.type !== 'strikethrough') return [entity]
  const end = entity.offset + entity.length
  const pieces: Entity[] = []
  let from = entity.offset
  for (const code of codes) {
    if (code.offset < from || code.offset >= end) continue
    if (code.offset > from) pieces.push({ ...entity, offset: from, length: code.offset - from })
    from = code.offset + code.length
  }
  if (from < end) pieces.push({ ...entity, offset: from, length: end - from })
  return pieces
}
