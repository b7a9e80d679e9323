import type { Content } from '../../core/transport.ts'
import type { Part, View } from '../../core/view.ts'
import { planLines } from '../plan-lines.ts'
import { clean, isBlank, oneLine } from './clean-text.ts'
import { inMessages } from './file-ways.ts'
import { join, plain, trim, whole, type Entity, type Formatted } from './formatted.ts'
import { growingMarkdown } from './growing.ts'
import { keyboard, type Keyboard } from './keyboard.ts'
import { formatMarkdown } from './markdown-entities.ts'
import { groups, isRun, linesOf, longestLine, type Group, type Shows, type Tool } from './groups.ts'
import { split } from './split.ts'

export interface TextMessage extends Content {
  readonly text: string
  readonly entities: readonly Entity[]
  readonly reply_markup?: Keyboard
}

interface FileMessage extends Content {
  readonly kind: 'file'
  /** Absolute. */
  readonly path: string
  readonly name: string
  readonly mime_type: string
  /** Bytes. */
  readonly size: number
}

/** Files that are shown together. */
interface Album extends Content {
  readonly kind: 'album'
  readonly files: readonly FileMessage[]
}

/** What one message holds, or an album of some, in the words of the Bot API. */
export type MessageContent = TextMessage | FileMessage | Album

const everything: Shows = { tools: true, thinking: true, reasoning: false }

interface Piece extends Formatted {
  readonly kind: 'words' | 'tools' | 'own'
}

/**
 * Makes the function that lists the messages of a view: one message that grows as the turn goes on, and more only
 * where the text outgrows it. Pure to its caller; inside it remembers parts and views that it has seen.
 */
export function renderer(shows: Shows = everything): (view: View) => readonly MessageContent[] {
  const rendered = new WeakMap<View, readonly MessageContent[]>()
  const formatted = new WeakMap<Part, Formatted>()
  const growingText = growingMarkdown()
  const markdown: FormatText = (part, growing) =>
    growing ? growingText(part.text) : remembered(formatted, part, () => formatMarkdown(part.text))
  return (view) => remembered(rendered, view, () => render(view, markdown, shows))
}

type FormatText = (part: Extract<Part, { kind: 'text' }>, growing: boolean) => Formatted

function remembered<Key extends object, Value>(
  memory: WeakMap<Key, Value>,
  key: Key,
  make: () => Value,
): Value {
  const known = memory.get(key)
  if (known !== undefined) return known
  const made = make()
  memory.set(key, made)
  return made
}

function render(view: View, markdown: FormatText, shows: Shows): readonly MessageContent[] {
  const pieces = groups(view, shows).flatMap((group, index, all) => {
    const growing = view.state === 'working' && index === all.length - 1
    const piece = pieceOf(group, growing, markdown, shows)
    return isBlank(piece.text) ? [] : [piece]
  })
  const texts: Formatted[] = [...split(trim(join(pieces, gap)))]
  if (texts.length === 0 && view.choices.length > 0) texts.push(plain('Please choose:'))
  const messages = texts.map(({ text, entities }, index) => ({
    text,
    entities,
    ...(view.choices.length > 0 && index === texts.length - 1
      ? { reply_markup: keyboard(view.choices) }
      : {}),
  }))
  // Files come when all is said: what is posted keeps its place, and a text that grows needs room below.
  return view.state === 'working'
    ? messages
    : [...messages, ...inMessages(view.parts.flatMap(fileOf)).flatMap(together)]
}

function fileOf(part: Part): readonly FileMessage[] {
  if (part.kind !== 'file') return []
  const { path, name, mimeType, size } = part
  return [{ kind: 'file', path, name, mime_type: mimeType, size }]
}

function together(files: readonly FileMessage[]): readonly MessageContent[] {
  return files.length > 1 ? [{ kind: 'album', files }] : files
}

function pieceOf(group: Group, growing: boolean, markdown: FormatText, { reasoning }: Shows): Piece {
  if (isRun(group)) return { kind: 'tools', ...toolLines(group, growing) }
  switch (group.kind) {
    case 'text':
      return { kind: 'words', ...markdown(group, growing) }
    case 'thinking': {
      const thought = reasoning ? clean(group.text).trim() : ''
      return {
        kind: 'own',
        ...(thought === ''
          ? whole('Thinking …', { type: 'italic' })
          : whole(thought, { type: 'expandable_blockquote' })),
      }
    }
    case 'notice':
      return { kind: 'own', ...trim(plain(clean(group.text))) }
    case 'plan':
      return { kind: 'own', ...trim(plain(clean(planLines(group.entries)))) }
    case 'footer':
      return { kind: 'own', ...whole(oneLine(group.text, longestLine), { type: 'italic' }) }
    case 'code': {
      const text = clean(group.text).trimEnd()
      return {
        kind: 'own',
        ...whole(text, {
          type: 'pre',
          ...(group.language === undefined ? {} : { language: group.language }),
        }),
      }
    }
  }
}

/** A line for each tool. While the run may go on, its newest line must stay in sight. */
function toolLines(tools: readonly Tool[], growing: boolean): Formatted {
  const { text, isLong } = linesOf(tools)
  return isLong && !growing ? whole(text, { type: 'expandable_blockquote' }) : plain(text)
}

/** Tools stand close to the words around them; all else has an empty line between. */
function gap(previous: Piece, next: Piece): string {
  const close = previous.kind !== next.kind && previous.kind !== 'own' && next.kind !== 'own'
  return close ? '\n' : '\n\n'
}
