import type { PlanEntry, StopReason, ToolStatus, TurnEvent, Usage } from './provider.ts'

/** A piece of a turn, in the order in which it came. */
export type Part =
  /** The agent's own words: Markdown. `block` tells one stretch of text from the next. */
  | { readonly kind: 'text'; readonly text: string; readonly block?: string }
  /** The agent thinks; shown only while it is the last part of a working turn. */
  | { readonly kind: 'thinking'; readonly text: string }
  | { readonly kind: 'tool'; readonly id: string; readonly title: string; readonly status: ToolStatus }
  /** ductor's own words: plain text, never Markdown. */
  | { readonly kind: 'notice'; readonly text: string }
  /** Shown letter by letter in a fixed width: a command, a diff. */
  | { readonly kind: 'code'; readonly text: string; readonly language?: string }
  /** The agent's plan as it stands. */
  | { readonly kind: 'plan'; readonly entries: readonly PlanEntry[] }
  /** A file of this machine that the chat gets as a message of its own. It was there, and may be sent, when it was named. */
  | {
      readonly kind: 'file'
      /** Absolute, links resolved. */
      readonly path: string
      readonly name: string
      readonly mimeType: string
      /** Bytes. */
      readonly size: number
    }
  /** One small line at the end: what the turn used. */
  | { readonly kind: 'footer'; readonly text: string }

/** Something a person can press. Made and kept by the store; what it does is nobody's business but the gateway's. */
export interface Choice {
  /** Unguessable, at most 32 characters of `[A-Za-z0-9_-]`. */
  readonly token: string
  readonly label: string
  readonly style?: 'primary' | 'danger'
}

/** A turn, or a word of ductor's own, as it stands: all that a transport needs to show it. */
export interface View {
  readonly state: 'working' | 'ended'
  readonly parts: readonly Part[]
  readonly choices: readonly Choice[]
  readonly stop?: StopReason
  readonly usage?: Usage
}

export const emptyView: View = { state: 'working', parts: [], choices: [] }

/** A finished view that says one thing in ductor's own words. */
export function noticeView(text: string, choices: readonly Choice[] = []): View {
  return { state: 'ended', parts: [{ kind: 'notice', text }], choices }
}

/** The view after `event`. Pure; what the event does not touch stays the same object. */
export function fold(view: View, event: TurnEvent): View {
  switch (event.type) {
    case 'text':
      return event.delta === '' ? view : { ...view, parts: appendText(view.parts, event.delta, event.block) }
    case 'text.reset':
      return {
        ...view,
        parts: view.parts.filter((part, index) => !isVoid(part, index, view.parts, event.block)),
      }
    case 'thinking':
      return { ...view, parts: appendThinking(view.parts, event.delta ?? '') }
    case 'tool':
      return { ...view, parts: putTool(view.parts, event) }
    case 'plan':
      return { ...view, parts: putPlan(view.parts, event.entries) }
    case 'notice':
      return { ...view, parts: [...view.parts, { kind: 'notice', text: event.message }] }
    case 'turn.ended':
      return end(view, event)
    case 'session.started':
    case 'permission.requested':
    case 'permission.withdrawn':
    case 'question.asked':
      return view
  }
}

function appendText(parts: readonly Part[], delta: string, block: string | undefined): Part[] {
  const last = parts.at(-1)
  if (last?.kind === 'text' && last.block === block) {
    return [...parts.slice(0, -1), { ...last, text: last.text + delta }]
  }
  return [...parts, { kind: 'text', text: delta, ...(block === undefined ? {} : { block }) }]
}

function isVoid(part: Part, index: number, parts: readonly Part[], block: string | undefined): boolean {
  if (part.kind !== 'text') return false
  return block === undefined
    ? index === parts.findLastIndex(({ kind }) => kind === 'text')
    : part.block === block
}

function appendThinking(parts: readonly Part[], delta: string): Part[] {
  const last = parts.at(-1)
  if (last?.kind !== 'thinking') return [...parts, { kind: 'thinking', text: delta }]
  return [...parts.slice(0, -1), { kind: 'thinking', text: last.text + delta }]
}

function putTool(
  parts: readonly Part[],
  { id, title, status }: Extract<TurnEvent, { type: 'tool' }>,
): Part[] {
  const tool: Part = { kind: 'tool', id, title, status }
  const known = parts.some((part) => part.kind === 'tool' && part.id === id)
  return known
    ? parts.map((part) => (part.kind === 'tool' && part.id === id ? tool : part))
    : [...parts, tool]
}

/** There is one plan, where it was first shown. */
function putPlan(parts: readonly Part[], entries: readonly PlanEntry[]): Part[] {
  const plan: Part = { kind: 'plan', entries }
  const known = parts.some(({ kind }) => kind === 'plan')
  return known ? parts.map((part) => (part.kind === 'plan' ? plan : part)) : [...parts, plan]
}

function end(view: View, event: Extract<TurnEvent, { type: 'turn.ended' }>): View {
  // A tool that never told its end ended with the turn: it must not look as if it ran on.
  const parts: Part[] = view.parts.map((part) =>
    part.kind === 'tool' && part.status === 'in_progress' ? { ...part, status: 'failed' } : part,
  )
  const spoke = parts.some((part) => part.kind === 'text')
  if (!spoke && event.text !== undefined && event.text !== '') parts.push({ kind: 'text', text: event.text })
  if (event.error !== undefined) parts.push({ kind: 'notice', text: event.error })
  return {
    ...view,
    state: 'ended',
    parts,
    stop: event.stop,
    ...(event.usage === undefined ? {} : { usage: event.usage }),
  }
}
