import { z } from 'zod'
import type { Warning } from '../core/define.ts'
import { nearest } from '../lib/nearest.ts'
import { notYet } from './schema.ts'

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>> | undefined
}

const shape: z.ZodType<Shape> = z.lazy(() =>
  z.object({
    properties: z.record(z.string(), shape).optional(),
    additionalProperties: z.unknown().optional(),
  }),
)

/** Warns of each key that none of the schemas reads, with the nearest name that one of them does. */
export function unknownKeys(file: object, schemas: readonly z.ZodType[]): Warning[] {
  const shapes = schemas.map((schema) =>
    shape.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })),
  )
  return walk(file, shapes, '')
}

function walk(value: object, shapes: readonly Shape[], path: string): Warning[] {
  const known = shapes.flatMap(({ properties }) => Object.keys(properties ?? {}))
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const full = path === '' ? key : `${path}.${key}`
    if (!known.includes(key))
      return path === '' && notYet.has(key) ? [later(full)] : [unknown(full, key, known)]
    const below = shapes.flatMap(({ properties }) => properties?.[key] ?? [])
    const open = below.some(({ properties }) => properties === undefined)
    return typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !open
      ? walk(inner, below, full)
      : []
  })
}

function later(key: string): Warning {
  return { key, message: 'this version does not act on it yet' }
}

function unknown(full: string, key: string, known: readonly string[]): Warning {
  const near = nearest(key, known)
  return { key: full, message: `unknown key${near === undefined ? '' : `; did you mean ${near}?`}` }
}
