import { z } from 'zod'

/** What a schema says about the file before it is parsed: JSON Schema, only the words that we read. */
export interface Shape {
  readonly properties?: Readonly<Record<string, Shape>> | undefined
  readonly required?: readonly string[] | undefined
}

const shape: z.ZodType<Shape> = z.lazy(() =>
  z.object({
    properties: z.record(z.string(), shape).optional(),
    required: z.array(z.string()).optional(),
  }),
)

export function shapeOf(schema: z.ZodType): Shape {
  return shape.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
}

/** Stands in the examples where one's own value belongs. */
const placeholder = /^YOUR_/

/** Is everything there that this schema cannot do without? The placeholders of the examples are nothing. */
export function isFilledIn(value: unknown, { required = [], properties = {} }: Shape): boolean {
  if (typeof value !== 'object' || value === null) return false
  return required.every((key) => {
    const inner: unknown = Reflect.get(value, key)
    if (inner === undefined || inner === '') return false
    if (typeof inner === 'string') return !placeholder.test(inner)
    const below = properties[key]
    return below?.properties === undefined || isFilledIn(inner, below)
  })
}
