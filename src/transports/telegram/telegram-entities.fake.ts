import type { Limits } from './telegram-limits.fake.ts'
import { badRequest, type Lint } from './telegram-refusal.fake.ts'

export interface WireEntity {
  readonly type: string
  readonly offset: number
  readonly length: number
  readonly url?: string
  readonly language?: string
}

export interface WireText {
  readonly text: string
  readonly entities: readonly WireEntity[]
}

/** What a bot may send; mentions of people and custom emoji are left out here. */
const sendable: ReadonlySet<string> = new Set([
  'bold',
  'italic',
  'underline',
  'strikethrough',
  'spoiler',
  'blockquote',
  'expandable_blockquote',
  'code',
  'pre',
  'text_link',
])

/** The text as the server keeps it. Throws a 400 for what it refuses; lints what it mends in silence. */
export function fixText(text: string, entities: readonly WireEntity[], limits: Limits, lint: Lint): WireText {
  if (!text.isWellFormed()) throw badRequest('strings must be encoded in UTF-8')
  if (text === '') throw badRequest('message text is empty')
  if (Buffer.byteLength(text) > limits.bytes) throw badRequest('message is too long')
  for (const entity of entities) checkEntity(entity, text, lint)
  checkNesting(entities, lint)
  const fixed = trimEnds(cleanText({ text, entities }, lint), lint)
  if (isEmpty(fixed.text)) throw badRequest('text must be non-empty')
  if (Array.from(fixed.text).length > limits.characters) throw badRequest('message is too long')
  if (bytesOf(fixed.entities) > limits.entityBytes) throw badRequest('ENTITIES_TOO_LONG')
  if (fixed.entities.length > limits.entities)
    lint(`${fixed.entities.length} entities: the server forgets some`)
  return { text: fixed.text, entities: fixed.entities.slice(0, limits.entities) }
}

function bytesOf(entities: readonly WireEntity[]): number {
  return entities.reduce(
    (sum, { url = '', language = '' }) => sum + 12 + Buffer.byteLength(url + language),
    0,
  )
}

function checkEntity(entity: WireEntity, text: string, lint: Lint): void {
  const { type, offset, length } = entity
  if (!sendable.has(type)) throw badRequest('unsupported entity type')
  if (!Number.isInteger(offset) || offset < 0) throw badRequest('receive an entity with incorrect offset')
  if (!Number.isInteger(length) || length < 0) throw badRequest('receive an entity with incorrect length')
  if (offset + length > text.length) throw badRequest('entity ends after the end of the text')
  if (splitsCharacter(text, offset)) throw badRequest('entity begins in a middle of a UTF-16 symbol')
  if (splitsCharacter(text, offset + length)) throw badRequest('entity ends in a middle of a UTF-16 symbol')
  if (text.slice(offset, offset + length).trim() === '') lint(`a ${type} of blanks is forgotten`)
  if (type === 'text_link') checkUrl(entity.url)
  else if (entity.url !== undefined) lint(`a ${type} has a url`)
  if (type !== 'pre' && entity.language !== undefined) lint(`a ${type} has a language`)
}

function splitsCharacter(text: string, at: number): boolean {
  return /[\uD800-\uDBFF]/.test(text[at - 1] ?? '') && /[\uDC00-\uDFFF]/.test(text[at] ?? '')
}

/** Links go to http, https and Telegram itself, at a host with a dot; anything else costs the whole message. */
export function checkUrl(url: string | undefined): void {
  const wrong = (why: string): never => {
    throw badRequest(`Entity URL '${url}' is invalid: ${why}`)
  }
  if (url === undefined || url === '') return wrong('URL must be non-empty')
  if (/^(?:tg|ton):\/\//i.test(url)) {
    if (!/^(?:tg|ton):\/\/[a-z0-9_-]+(?:[/?#]|$)/i.test(url)) wrong('Wrong tg URL')
    return
  }
  const [, scheme, rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(url) ?? []
  if (scheme === undefined || !/^https?$/i.test(scheme)) wrong('Unsupported URL protocol')
  const authority = rest.split(/[/?#]/)[0] ?? ''
  const [, host = '', port] = /^(.*?)(?::(\d*))?$/.exec(authority) ?? []
  if (port !== undefined && (port === '' || Number(port) < 1 || Number(port) > 65_535))
    wrong('Wrong port number')
  if (!/^[\p{L}\p{N}._~-]+$/u.test(host)) wrong('Disallowed character in URL host')
  if (!host.includes('.') || host.startsWith('.') || host.endsWith('.') || host.includes('..')) {
    wrong('Wrong HTTP URL')
  }
  if (/\s/.test(url)) wrong('Wrong HTTP URL')
}

/** What may stand in what. The server mends it; what it makes of it is not what was meant. */
function checkNesting(entities: readonly WireEntity[], lint: Lint): void {
  const sorted = entities.toSorted((a, b) => a.offset - b.offset || b.length - a.length)
  const around: WireEntity[] = []
  for (const inner of sorted) {
    while (around.length > 0 && endOf(around.at(-1)) <= inner.offset) around.pop()
    for (const outer of around) {
      if (endOf(outer) <= inner.offset) continue
      if (endOf(inner) > endOf(outer)) lint(`${inner.type} begins in ${outer.type} and ends behind it`)
      if (!mayStandIn(inner.type, outer.type)) lint(`${inner.type} stands in ${outer.type}`)
    }
    around.push(inner)
  }
}

function endOf(entity: WireEntity | undefined): number {
  return entity === undefined ? 0 : entity.offset + entity.length
}

function mayStandIn(inner: string, outer: string): boolean {
  const quote = /blockquote$/
  if (inner === outer || outer === 'code' || outer === 'pre') return false
  if (quote.test(inner)) return !quote.test(outer) && outer !== 'text_link'
  if (inner === 'code' || inner === 'pre') return quote.test(outer)
  return true
}

/**
 * Control characters become spaces, tabs too; CR, marks of writing direction and three marks that stand on letters
 * vanish; of several marks LRM and RLM in a row one is left. Looks move along.
 */
function cleanText({ text, entities }: WireText, lint: Lint): WireText {
  const spaced = text
    // oxlint-disable-next-line no-control-regex -- they are what the law is about
    .replaceAll(/[\u0000-\u0009\u000B\u000C\u000E-\u001F]/g, ' ')
  const cleaned = spaced.replaceAll(vanishing, '').replaceAll(/[\u200E\u200F](?=[\u200E\u200F])/g, '\u200C')
  if (cleaned !== text) lint('control characters, tabs, CR, or marks that vanish in a text')
  const kept = (end: number): number => spaced.slice(0, end).replaceAll(vanishing, '').length
  return {
    text: cleaned,
    entities: entities.flatMap((entity) => {
      const offset = kept(entity.offset)
      const length = kept(entity.offset + entity.length) - offset
      return length > 0 || entity.length === 0 ? [{ ...entity, offset, length }] : []
    }),
  }
}

const vanishing = /[\u030A\u0333\u033F\r\u2028-\u202E]/g

function trimEnds({ text, entities }: WireText, lint: Lint): WireText {
  const end = text.trimEnd().length
  const blanks = text.length - text.trimStart().length
  const start = Math.min(blanks, ...entities.map(({ offset }) => offset))
  if (end < text.length || start > 0) lint('blanks at an end of a text')
  return {
    text: text.slice(start, end),
    entities: entities.flatMap((entity) => {
      const length = Math.min(entity.offset + entity.length, end) - entity.offset
      return length > 0 ? [{ ...entity, offset: entity.offset - start, length }] : []
    }),
  }
}

/** Letters without a shape, as far as the server is known to see through them. */
function isEmpty(text: string): boolean {
  const shapeless =
    /[\p{Z}\p{Cc}\p{Cf}\p{Variation_Selector}\u115F\u1160\u2800\u3164\uFFA0\uFFFC]|\u034F|\u17B4|\u17B5/gu
  return text.replaceAll(shapeless, '') === ''
}
