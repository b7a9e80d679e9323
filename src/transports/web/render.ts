import { defaultSchema, type Schema } from 'hast-util-sanitize'
import type { Content } from '../../core/transport.ts'
import type { Part, View } from '../../core/view.ts'
import { renderHtml } from '../html.ts'

/** No images: a page on loopback must not tell another server that it was read. */
const schema: Schema = {
  ...defaultSchema,
  tagNames: (defaultSchema.tagNames ?? []).filter((name) => name !== 'img'),
  protocols: { href: ['http', 'https', 'mailto'] },
}

/** Of what the agent thinks, its last words. */
const thoughtShown = 600

/** HTML of the parts that did not change since. */
const rendered = new WeakMap<Part, string>()

/** One growing message, and each file as a message of its own; nothing while there is nothing to see. */
export function render(view: View): readonly Content[] {
  const parts = view.parts.flatMap((part, index) =>
    show(part, view.state === 'working' && index === view.parts.length - 1),
  )
  const choices = view.choices.map(({ token, label, style }) => ({ token, label, style: style ?? null }))
  const turn = parts.length + choices.length === 0 ? [] : [{ state: view.state, parts, choices }]
  return [...turn, ...view.parts.flatMap(fileOf)]
}

function show(part: Part, last: boolean): object[] {
  switch (part.kind) {
    case 'text':
      return part.text.trim() === '' ? [] : [{ kind: 'html', html: htmlOf(part, part.text) }]
    case 'thinking':
      return last ? [{ kind: 'thinking', text: part.text.slice(-thoughtShown) }] : []
    case 'tool':
      return [{ kind: 'tool', title: part.title, status: part.status }]
    case 'notice':
      return [{ kind: 'notice', text: part.text }]
    case 'code':
      return [{ kind: 'code', text: part.text, language: part.language ?? '' }]
    case 'plan':
      return [{ kind: 'plan', entries: part.entries }]
    case 'footer':
      return [{ kind: 'footer', text: part.text }]
    case 'file':
      return []
  }
}

function fileOf(part: Part): readonly Content[] {
  if (part.kind !== 'file') return []
  const { path, name, mimeType } = part
  return [{ kind: 'file', path, name, mimeType }]
}

function htmlOf(part: Part, text: string): string {
  const known = rendered.get(part)
  if (known !== undefined) return known
  const html = renderHtml(text, schema)
  rendered.set(part, html)
  return html
}
