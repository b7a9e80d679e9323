import { z } from 'zod'
import type { Question } from '../core/provider.ts'

const titled = z.object({ const: z.string(), title: z.string(), description: z.string().nullish() })
const common = { title: z.string().nullish(), description: z.string().nullish() }
const field = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('string'),
    ...common,
    enum: z.array(z.string()).nullish(),
    oneOf: z.array(titled).nullish(),
  }),
  z.object({ type: z.literal('number'), ...common }),
  z.object({ type: z.literal('integer'), ...common }),
  z.object({ type: z.literal('boolean'), ...common }),
  z.object({
    type: z.literal('array'),
    ...common,
    items: z.object({ enum: z.array(z.string()).nullish(), anyOf: z.array(titled).nullish() }),
  }),
])
type Field = z.infer<typeof field>

const form = z.object({
  mode: z.literal('form'),
  sessionId: z.string(),
  message: z.string(),
  requestedSchema: z.object({ properties: z.record(z.string(), field).default({}) }),
})
/** What an agent wants to know of the person: the protocol's form. */
export type Form = z.infer<typeof form>

/** What is sent back, as the protocol words it. */
export type Reply =
  | { readonly action: 'accept'; readonly content: Readonly<Record<string, Value>> }
  | { readonly action: 'cancel' }
type Value = string | number | boolean | readonly string[]

/** Undefined for a form that we cannot show. */
export function readForm(params: unknown): Form | undefined {
  return form.safeParse(params).data
}

/** A question for each field; the form's own words stand before the first. */
export function questionsOf({ message, requestedSchema: { properties } }: Form): readonly Question[] {
  const fields = Object.entries(properties)
  return fields.map(([key, each], index) => {
    const own = each.title ?? each.description ?? (fields.length === 1 ? '' : key)
    const text = index > 0 || own === '' || own === message ? own || message : `${message}\n${own}`
    const options = choicesOf(each).map(({ title, description }) => ({
      label: title,
      ...(description ? { description } : {}),
    }))
    return { text, options, multiple: each.type === 'array' }
  })
}

/** The person's answers as the form's fields; what cannot be read as its field is left out. */
export function replyTo(
  { requestedSchema: { properties } }: Form,
  answers: readonly (readonly string[])[],
): Reply {
  const content = Object.entries(properties).flatMap(([key, each], index) => {
    const value = valueOf(each, answers[index] ?? [])
    return value === undefined ? [] : [[key, value] as const]
  })
  return { action: 'accept', content: Object.fromEntries(content) }
}

function valueOf(each: Field, chosen: readonly string[]): Value | undefined {
  const meant = chosen.map((label) => choicesOf(each).find(({ title }) => title === label)?.const ?? label)
  if (each.type === 'array') return meant
  const [text] = meant
  if (text === undefined) return undefined
  if (each.type === 'string') return text
  if (each.type === 'boolean') return /^(?:yes|true|y|1)$/i.test(text.trim())
  const number = Number(text)
  return Number.isNaN(number) ? undefined : number
}

function choicesOf(each: Field): readonly z.infer<typeof titled>[] {
  switch (each.type) {
    case 'string':
      return each.oneOf ?? plain(each.enum ?? [])
    case 'array':
      return each.items.anyOf ?? plain(each.items.enum ?? [])
    case 'boolean':
      return plain(['Yes', 'No'])
    case 'number':
    case 'integer':
      return []
  }
}

function plain(values: readonly string[]): readonly z.infer<typeof titled>[] {
  return values.map((value) => ({ const: value, title: value }))
}
