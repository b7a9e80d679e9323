import { sendable, type FileRule } from './file-access.ts'
import { readMarks, withoutOpenMark } from './answer-marks.ts'
import type { Usage } from './provider.ts'
import { UserError } from './user-error.ts'
import type { Part, View } from './view.ts'
import { mimeTypeOf } from '../lib/mime-type.ts'
import { span } from '../lib/span.ts'

/** The turn as it goes: what the agent marked for the chat to do is not shown as text. */
export function withoutMarks(view: View): View {
  let changed = false
  const parts = view.parts.map((part, index) => {
    if (part.kind !== 'text') return part
    const { text } = readMarks(part.text)
    const shown = view.state === 'working' && index === view.parts.length - 1 ? withoutOpenMark(text) : text
    if (shown === part.text) return part
    changed = true
    return { ...part, text: shown }
  })
  return changed ? { ...view, parts: parts.filter(isSomething) } : view
}

/** The turn as it ended: its files checked and named, the buttons that it offers. */
export async function answerOf(
  view: View,
  rule: FileRule,
): Promise<{ readonly view: View; readonly buttons: readonly string[] }> {
  const marks = view.parts.flatMap((part) => (part.kind === 'text' ? [readMarks(part.text)] : []))
  const paths = [...new Set(marks.flatMap(({ files }) => files))].slice(0, mostFiles)
  const files = await Promise.all(paths.map((path) => filePart(path, rule)))
  const plain = withoutMarks(view)
  return {
    view: files.length === 0 ? plain : { ...plain, parts: [...plain.parts, ...files] },
    buttons: [...new Set(marks.flatMap(({ buttons }) => buttons))],
  }
}

const mostFiles = 20

/** The file as a part of a view. Throws `UserError` where it may not be sent. */
export async function fileOf(
  path: string,
  rule: FileRule,
): Promise<Extract<Part, { readonly kind: 'file' }>> {
  const file = await sendable(path, rule)
  return { kind: 'file', ...file, mimeType: mimeTypeOf(file.name) }
}

/** The file as a part of a view, or why it is not one. */
export async function filePart(path: string, rule: FileRule): Promise<Part> {
  try {
    return await fileOf(path, rule)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { kind: 'notice', text: error.message }
  }
}

function isSomething(part: Part): boolean {
  return part.kind !== 'text' || part.text.trim() !== ''
}

/** One small line about what a turn used. */
export function footerOf(
  { inputTokens, outputTokens, costUsd, contextTokens, contextWindow }: Usage,
  facts: { readonly model: string; readonly ms: number },
): string {
  const left =
    contextTokens === undefined || contextWindow === undefined || contextWindow === 0
      ? undefined
      : `${Math.max(0, Math.round(100 * (1 - contextTokens / contextWindow)))} % context left`
  return [
    facts.model,
    span(facts.ms),
    inputTokens === undefined && outputTokens === undefined
      ? undefined
      : `${inputTokens ?? 0} in, ${outputTokens ?? 0} out`,
    costUsd === undefined ? undefined : `$${costUsd.toFixed(costUsd < 0.1 ? 4 : 2)}`,
    left,
  ]
    .filter((one) => one !== undefined && one !== '')
    .join(' · ')
}
