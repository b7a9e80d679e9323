import { readFileSync } from 'node:fs'
import { z } from 'zod'

const own = z.object({ version: z.string() })

/** From package.json, which stands two folders above this file in a checkout and in the package. */
export function version(): string {
  return own.parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))).version
}
