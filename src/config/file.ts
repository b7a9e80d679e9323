import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { parseJson } from './json.ts'
import type { Problem } from './problem.ts'

/** The keys of config.json as they stand there. */
export type File = Readonly<Record<string, unknown>>

const block = z.record(z.string(), z.unknown())

export function configPath(home: string): string {
  return join(home, 'config', 'config.json')
}

/** Never throws: what cannot be read is a problem to show. */
export async function readConfigFile(
  path: string,
): Promise<'missing' | { file: File } | { problem: Problem }> {
  let text: string
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'missing'
    const why = error instanceof Error ? error.message : String(error)
    return { problem: { key: path, wrong: `cannot be read (${why})`, right: '' } }
  }
  const parsed = await parseJson(text)
  if ('fault' in parsed) {
    const { line, column, what, shown } = parsed.fault
    return {
      problem: {
        key: `line ${line}, column ${column}`,
        wrong: `${what}${shown && `\n    ${shown}`}`,
        right: '',
      },
    }
  }
  const file = block.safeParse(parsed.value)
  if (file.success) return { file: file.data }
  return { problem: { key: 'config.json', wrong: 'is not one block', right: 'the whole file must be { … }' } }
}

/** The keys of a block; none where there is no block. */
export function blockOf(value: unknown): File {
  return block.safeParse(value).data ?? {}
}

/** The texts that stand under a name that says that they are secret, however deep. */
export function secretsIn(value: unknown, name = ''): string[] {
  if (typeof value === 'string')
    return /token|password|secret|(?:api|recovery)_?key$/i.test(name) ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => secretsIn(inner, Array.isArray(value) ? name : key))
}
