import { defaultSchema, type Schema } from 'hast-util-sanitize'
import type { Content } from '../../core/transport.ts'
import type { Part, View } from '../../core/view.ts'
import { renderHtml } from '../html.ts'
import { planLines } from '../plan-lines.ts'

/** No images: a page on loopback must not tell another server that it was read. */
const schema: Schema = {
  ...defaultSchema,
  tagNames: (defaultSchema.tagNames ?? []).filter((name) => name !== 'img'),
  protocols: { href: ['http', 'https', 'mailto'] },
}

/** One growing message; nothing while there is nothing to see. */
export function render(view: View): readonly Content[] {
  const parts = view.parts.flatMap((part, index) =>
    show(part, view.state === 'working' && index === view.parts.length - 1),
  )
  if (parts.length === 0) return []
  const choices = view.choices.map(({ token, label, style }) => ({ token, label, style: style ?? null }))
  return [{ state: view.state, parts, choices }]
}

function show(part: Part, growing: boolean): object[] {
  switch (part.kind) {
    case 'text':
      return part.text.trim() === '' ? [] : [{ kind: 'html', html: renderHtml(part.text, schema) }]
    case 'thinking':
      return growing ? [{ kind: 'thinking' }] : []
    case 'tool':
      return [{ kind: 'tool', title: part.title, status: part.status }]
    case 'notice':
      return [{ kind: 'notice', text: part.text }]
    case 'code':
      return [{ kind: 'code', text: part.text }]
    case 'plan':
      return [{ kind: 'notice', text: planLines(part.entries) }]
    case 'file':
      return [{ kind: 'notice', text: `📎 ${part.name}` }]
    case 'footer':
      return [{ kind: 'notice', text: part.text }]
  }
}
