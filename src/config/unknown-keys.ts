import type { Warning } from '../core/define.ts'
import { nearest } from '../lib/nearest.ts'
import { notYet } from './schema.ts'
import type { Shape } from './shape.ts'

/** Warns of each key of `value` that none of the shapes reads, with the nearest name that one of them does. */
export function unknownKeys(value: object, shapes: readonly Shape[], path = ''): Warning[] {
  const known = [...new Set(shapes.flatMap(({ properties }) => Object.keys(properties ?? {})))]
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const full = path === '' ? key : `${path}.${key}`
    if (!known.includes(key)) return [notYet.has(full) ? later(full) : unknown(full, key, known)]
    const below = shapes.flatMap(({ properties }) => properties?.[key] ?? [])
    // A block whose keys are the person's own (names of variables, names of providers) knows no wrong one.
    const open = below.some(({ properties }) => properties === undefined)
    return typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !open
      ? unknownKeys(inner, below, full)
      : []
  })
}

function later(key: string): Warning {
  return { key, message: 'is known, but not supported yet: this version does not act on it' }
}

function unknown(full: string, key: string, known: readonly string[]): Warning {
  const near = nearest(key, known)
  return { key: full, message: `is no key of ductor${near === undefined ? '' : `; did you mean ${near}?`}` }
}
