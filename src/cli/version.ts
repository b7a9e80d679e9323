import { readFileSync } from 'node:fs'
import { z } from 'zod'

const own = z.object({ version: z.string() })

// Read once: an upgrade puts another file there while this program runs.
const { version: running } = own.parse(
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')),
)

/** From package.json, which stands two folders above this file in a checkout and in the package. */
export function version(): string {
  return running
}
