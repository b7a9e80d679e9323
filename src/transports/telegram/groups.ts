import type { Part, View } from '../../core/view.ts'
import { isBlank, oneLine } from './clean-text.ts'

/** What a person wants to see of a turn besides the answer. */
export interface Shows {
  readonly tools: boolean
  /** A word that the agent thinks, while it does. */
  readonly thinking: boolean
  /** What it thinks, folded. */
  readonly reasoning: boolean
}

export type Tool = Extract<Part, { kind: 'tool' }>

const marks = { in_progress: '…', completed: '✓', failed: '✗' } as const
export const longestLine = 160
/** A run of so many tool lines is folded once it is over. */
const longRun = 6

export type Group = readonly Tool[] | Exclude<Part, Tool | { readonly kind: 'file' }>

/** The parts that are shown, with tools that follow each other together. */
export function groups({ parts, state }: View, { tools, thinking, reasoning }: Shows): readonly Group[] {
  const all: Group[] = []
  for (const [index, part] of parts.entries()) {
    const last = all.at(-1)
    if (part.kind === 'tool') {
      if (!tools) continue
      if (isRun(last)) all[all.length - 1] = [...last, part]
      else all.push([part])
    } else if (part.kind === 'thinking') {
      const now = state === 'working' && index === parts.length - 1
      if ((now && thinking) || (reasoning && !isBlank(part.text))) all.push(part)
    } else if (part.kind !== 'file') {
      all.push(part)
    }
  }
  return all
}

export function isRun(group: Group | undefined): group is readonly Tool[] {
  return Array.isArray(group)
}

/** A line for each tool, equal neighbours in one. `isLong`: once it is over, it is folded. */
export function linesOf(tools: readonly Tool[]): { readonly text: string; readonly isLong: boolean } {
  const lines: { readonly line: string; count: number }[] = []
  for (const { title, status } of tools) {
    const line = `${marks[status]} ${oneLine(title, longestLine)}`
    const last = lines.at(-1)
    if (last?.line === line) last.count += 1
    else lines.push({ line, count: 1 })
  }
  const text = lines.map(({ line, count }) => (count === 1 ? line : `${line} ×${count}`)).join('\n')
  return { text, isLong: lines.length >= longRun }
}
