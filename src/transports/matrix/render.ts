import type { Part, View } from '../../core/view.ts'
import { planLines } from '../plan-lines.ts'
import type { FileContent, MatrixContent, TextContent } from './content.ts'
import { fit, type Draft, type Piece } from './draft.ts'
import { fenced } from './fence.ts'
import { keycap, mostKeycaps } from './keycaps.ts'
import { mostAnswers } from './polls.ts'
import { stretches } from './split.ts'

/** A poll shows its question in bold: a longer text is a message of its own. */
const longestQuestion = 400

/** As in the configuration. */
export interface Style {
  readonly streaming: 'segments' | 'edits'
  readonly choices: 'reactions' | 'polls'
}

const usualStyle: Style = { streaming: 'segments', choices: 'reactions' }

type Fit = (draft: Draft) => readonly TextContent[]

/** Renders as `render` does, and does what was done for the last views no second time. */
export function rememberingRender(style: Style = usualStyle): (view: View) => readonly MatrixContent[] {
  const known = new Map<string, readonly TextContent[]>()
  return (view) =>
    render(view, style, (draft) => {
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
 * A message for each stretch of text that is finished, each of ductor's own words, each block of code and each file. By
 * segments, text that still grows is left out, so that what was posted of it never changes: that is all there is to
 * streaming then.
 */
export function render(view: View, style: Style = usualStyle, fitted: Fit = fit): readonly MatrixContent[] {
  const drafts: (Draft | FileContent)[] = []
  for (const [index, part] of view.parts.entries()) {
    const finished = view.state === 'ended' || index < view.parts.length - 1
    addPart(drafts, part, { finished: finished || style.streaming === 'edits', ownWord: isOwnWord(view) })
  }
  if (style.streaming === 'edits' && view.state === 'working') addProgress(drafts, view.parts.at(-1))
  const asked = view.choices.length > 0 ? drafts.pop() : undefined
  if (asked !== undefined && 'kind' in asked) drafts.push(asked)
  const contents = drafts.flatMap((draft): readonly MatrixContent[] =>
    'kind' in draft ? [draft] : fitted(draft),
  )
  if (view.choices.length === 0) return contents
  const pieces = asked !== undefined && 'pieces' in asked ? asked.pieces : []
  return [...contents, ...question(view, pieces, style, fitted)]
}

/** As a notice, no phone would ring for it. */
function question(
  { choices }: View,
  pieces: readonly Piece[],
  style: Style,
  fitted: Fit,
): readonly MatrixContent[] {
  const list = choiceList(choices)
  if (style.choices === 'polls' && choices.length <= mostAnswers) {
    const text = pieces.map(({ source }) => source).join('\n\n')
    const long = text.length > longestQuestion
    const own = text === '' || long ? 'What shall it be?' : text
    return [
      ...(long ? fitted({ msgtype: 'm.text', pieces }) : []),
      { kind: 'poll', question: own, answers: choices.map(labelOf), body: `${own}\n\n${list}` },
    ]
  }
  const listed = { source: list, markdown: false }
  const contents = fitted({ msgtype: 'm.text', pieces: [...pieces, listed] })
  const last = contents.at(-1)
  return last === undefined ? contents : [...contents.slice(0, -1), { ...last, choices: choices.length }]
}

/** Not a turn, but something that ductor itself has to say: it is one message, also when its question is answered. */
function isOwnWord({ state, stop }: View): boolean {
  return state === 'ended' && stop === undefined
}

interface Standing {
  /** The part does not grow any more, or is shown while it does. */
  readonly finished: boolean
  readonly ownWord: boolean
}

function addPart(drafts: (Draft | FileContent)[], part: Part, { finished, ownWord }: Standing): void {
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
      addNotice(drafts, { source: planLines(part.entries), markdown: false }, false)
      return
    case 'file': {
      const { kind, path, name, mimeType, size } = part
      drafts.push({ kind, path, name, mimeType, size })
      return
    }
    case 'footer':
      addBelow(drafts, part.text, true)
      return
    case 'thinking':
    case 'tool':
  }
}

/** What the agent does while it writes nothing. */
function addProgress(drafts: (Draft | FileContent)[], last: Part | undefined): void {
  if (last?.kind === 'thinking') addBelow(drafts, '⏳ …', false)
  if (last?.kind === 'tool') addBelow(drafts, `⏳ ${last.title}`, false)
}

/** A small line under the last message; `alone`: where there is none, it is one. */
function addBelow(drafts: (Draft | FileContent)[], text: string, alone: boolean): void {
  const last = drafts.at(-1)
  const piece = { source: text.replaceAll(/\s+/g, ' ').trim(), markdown: false, small: true }
  if (last !== undefined && 'pieces' in last) {
    drafts.splice(-1, 1, { ...last, pieces: [...last.pieces, piece] })
  } else if (alone) drafts.push({ msgtype: 'm.notice', pieces: [piece] })
}

function addNotice(drafts: (Draft | FileContent)[], piece: Piece, together: boolean): void {
  const before = drafts.at(-1)
  if (together && before !== undefined && 'pieces' in before && before.msgtype === 'm.notice') {
    drafts.splice(-1, 1, { ...before, pieces: [...before.pieces, piece] })
  } else drafts.push({ msgtype: 'm.notice', pieces: [piece] })
}

/** Without empty lines at its edges; the indentation of the first line may mean something. */
function trimLines(text: string): string {
  return text.replace(/^(?:[^\S\n]*\n)+/, '').trimEnd()
}

function choiceList(choices: View['choices']): string {
  return choices
    .map((choice, index) => {
      const number = index + 1
      const sign = number <= mostKeycaps ? keycap(number) : `${number}.`
      return `${sign} ${labelOf(choice)}`
    })
    .join('\n')
}

function labelOf({ label }: View['choices'][number]): string {
  return label.replaceAll(/\s+/g, ' ').trim()
}
