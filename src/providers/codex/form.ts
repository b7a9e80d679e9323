import { z } from 'zod'
import type { Question } from '../../core/provider.ts'

const option = z.object({ const: z.string(), title: z.string().nullish() })
const field = z.object({
  type: z.string().nullish(),
  title: z.string().nullish(),
  description: z.string().nullish(),
  enum: z.array(z.string()).nullish(),
  oneOf: z.array(option).nullish(),
  items: z.object({ enum: z.array(z.string()).nullish(), anyOf: z.array(option).nullish() }).nullish(),
})
type Field = z.infer<typeof field>
const schema = z.object({
  properties: z.record(z.string(), field),
  required: z.array(z.string()).nullish(),
})

/** A flat form, as MCP servers ask it, told as questions. */
export interface Form {
  readonly questions: readonly Question[]
  /** What the server is given; undefined where something that it needs was left out or is not what it takes. */
  content(answers: readonly (readonly string[])[]): Readonly<Record<string, unknown>> | undefined
}

/** Undefined for a form without a field, or one that is not flat. */
export function formOf(requested: unknown, heading: string): Form | undefined {
  const parsed = schema.safeParse(requested).data
  const fields = Object.entries(parsed?.properties ?? {})
  if (parsed === undefined || fields.length === 0) return undefined
  return {
    questions: fields.map(([name, each], n) => ({
      text: [...(n === 0 ? [heading] : []), each.description ?? each.title ?? name].join('\n'),
      options: optionsOf(each).map(({ label }) => ({ label })),
      multiple: each.type === 'array',
    })),
    content(answers) {
      const values = fields.map(([name, each], n) => [name, valueOf(each, answers[n] ?? [])] as const)
      const missing = values.some(
        ([name, value]) => value === undefined && parsed.required?.includes(name) === true,
      )
      return missing ? undefined : Object.fromEntries(values.filter(([, value]) => value !== undefined))
    },
  }
}

function optionsOf(each: Field): readonly { readonly label: string; readonly value: unknown }[] {
  if (each.type === 'boolean')
    return [
      { label: 'Yes', value: true },
      { label: 'No', value: false },
    ]
  const titled = each.oneOf ?? each.items?.anyOf
  if (titled) return titled.map(({ const: value, title }) => ({ label: title ?? value, value }))
  return (each.enum ?? each.items?.enum ?? []).map((value) => ({ label: value, value }))
}

function valueOf(each: Field, answers: readonly string[]): unknown {
  const options = optionsOf(each)
  const chosen = answers.map((answer) => options.find(({ label }) => label === answer)?.value ?? answer)
  if (each.type === 'array') return chosen
  const [first] = chosen
  if (first === undefined || first === '') return undefined
  if (each.type === 'number' || each.type === 'integer')
    return Number.isFinite(Number(first)) ? Number(first) : undefined
  if (each.type === 'boolean') return first === true || /^(y|yes|true|1)$/i.test(answers[0] ?? '')
  return first
}
