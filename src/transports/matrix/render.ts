import type { Part, View } from '../../core/view.ts'
import { planLines } from '../plan-lines.ts'
import type { MatrixContent } from './deliver.ts'
import { fenced } from './fence.ts'
import { matrixHtml, onlyParagraph, plainHtml } from './html.ts'
import { keycap, mostKeycaps } from './keycaps.ts'
import { halveMarkdown, halvePlain, stretches } from './split.ts'

/** Half of what an event may hold, for all that the homeserver and (one day) encryption add to it. In bytes of JSON. */
const largest = 32_000

interface Piece {
  readonly source: string
  readonly markdown: boolean
}

/** One message, before it is known whether it fits into one event. */
interface Draft {
  readonly msgtype: 'm.text' | 'm.notice'
  readonly pieces: readonly Piece[]
}

type Fit = (draft: Draft) => readonly MatrixContent[]

/** Renders as `render` does, and does what was done for the last views no second time. */
export function rememberingRender(): (view: View) => readonly MatrixContent[] {
  const known = new Map<string, readonly MatrixContent[]>()
  return (view) =>
    render(view, (draft) => {
      const key = JSON.stringify(draft)
      const contents = known.get(key) ?? fit(draft)
      known.delete(key)
      known.set(key, contents)
      const [oldest] = known.keys()
      if (known.size > 100 && oldest !== undefined) known.delete(oldest)
      return contents
    })
}

/**
 * A message for each stretch of text that is finished, each of ductor's own words and each block of code. Text that
 * still grows is left out, so nothing that was posted changes while it does: that is all there is to streaming here.
 */
export function render(view: View, fitted: Fit = fit): readonly MatrixContent[] {
  const drafts: Draft[] = []
  for (const [index, part] of view.parts.entries()) {
    const finished = view.state === 'ended' || index < view.parts.length - 1
    addPart(drafts, part, { finished, ended: view.state === 'ended', ownWord: isOwnWord(view) })
  }
  if (view.choices.length > 0) {
    // A question: as a notice, no phone would ring for it.
    const pieces = [...(drafts.pop()?.pieces ?? []), { source: choiceList(view), markdown: false }]
    drafts.push({ msgtype: 'm.text', pieces })
  }
  const contents = drafts.flatMap((draft) => fitted(draft))
  const last = contents.at(-1)
  if (last === undefined || view.choices.length === 0) return contents
  return [...contents.slice(0, -1), { ...last, choices: view.choices.length }]
}

/** Not a turn, but something that ductor itself has to say: it is one message, also when its question is answered. */
function isOwnWord({ state, stop }: View): boolean {
  return state === 'ended' && stop === undefined
}

interface Standing {
  /** The part does not grow any more. */
  readonly finished: boolean
  /** The turn is over. */
  readonly ended: boolean
  readonly ownWord: boolean
}

function addPart(drafts: Draft[], part: Part, { finished, ended, ownWord }: Standing): void {
  switch (part.kind) {
    case 'text':
      for (const stretch of stretches(part.text, finished)) {
        const source = trimLines(stretch)
        if (source !== '') drafts.push({ msgtype: 'm.text', pieces: [{ source, markdown: true }] })
      }
      return
    case 'notice': {
      const source = part.text.trim()
      if (source !== '') addNotice(drafts, { source, markdown: false }, ownWord)
      return
    }
    case 'code':
      // What the words before it announce belongs to them.
      addNotice(drafts, { source: fenced(part.text.trimEnd(), part.language), markdown: true }, true)
      return
    case 'plan':
      // It changes until the end, and what was posted here never does.
      if (ended) addNotice(drafts, { source: planLines(part.entries), markdown: false }, false)
      return
    case 'file':
      addNotice(drafts, { source: `📎 ${part.name}`, markdown: false }, false)
      return
    case 'footer':
      addNotice(drafts, { source: part.text, markdown: false }, true)
      return
    case 'thinking':
    case 'tool':
  }
}

function addNotice(drafts: Draft[], piece: Piece, together: boolean): void {
  const before = drafts.at(-1)
  if (together && before?.msgtype === 'm.notice') {
    drafts.splice(-1, 1, { ...before, pieces: [...before.pieces, piece] })
  } else drafts.push({ msgtype: 'm.notice', pieces: [piece] })
}

/** Without empty lines at its edges; the indentation of the first line may mean something. */
function trimLines(text: string): string {
  return text.replace(/^(?:[^\S\n]*\n)+/, '').trimEnd()
}

function choiceList({ choices }: View): string {
  return choices
    .map(({ label }, index) => {
      const number = index + 1
      const sign = number <= mostKeycaps ? keycap(number) : `${number}.`
      return `${sign} ${label.replaceAll(/\s+/g, ' ').trim()}`
    })
    .join('\n')
}

/** The events that hold this message: one, or as many as it needs. */
function fit(draft: Draft): readonly MatrixContent[] {
  const { pieces } = draft
  const bytes = pieces.reduce((sum, { source }) => sum + Buffer.byteLength(source), 0)
  // Text and HTML are both in the event: much longer text need not be tried.
  const content = bytes > largest ? undefined : contentOf(draft)
  if (content !== undefined && Buffer.byteLength(JSON.stringify(content)) <= largest) return [content]
  return halve(pieces).flatMap((half) => fit({ ...draft, pieces: half }))
}

function halve(pieces: readonly Piece[]): readonly (readonly Piece[])[] {
  const [first, ...others] = pieces
  if (first === undefined) return []
  if (others.length > 0) return [[first], others]
  const halves = first.markdown ? halveMarkdown(first.source) : halvePlain(first.source)
  return halves.map((source) => [{ ...first, source }])
}

function contentOf({ msgtype, pieces }: Draft): MatrixContent {
  const body = pieces.map(({ source }) => source).join('\n\n')
  const htmls = pieces.map(({ source, markdown }) =>
    markdown ? matrixHtml(source) : `<p>${plainHtml(source)}</p>`,
  )
  if (htmls.includes(undefined)) return { msgtype, body }
  const html = onlyParagraph(htmls.join('\n'))
  // Nothing in it that the text does not say by itself.
  if (html === plainHtml(body)) return { msgtype, body }
  return { msgtype, body, format: 'org.matrix.custom.html', formatted_body: html }
}
