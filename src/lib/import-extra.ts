import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A library beyond the base install is not there. */
export class MissingExtra extends Error {
  override readonly name = 'MissingExtra'
  readonly library: string

  constructor(library: string) {
    super(`the library ${library} is not installed`)
    this.library = library
  }
}

/** Where `ductor install` puts libraries beyond the base install. */
export function extrasFolder(home: string): string {
  return join(home, 'extras')
}

/**
 * A library beyond the base install: from the ordinary place, or else from the `extras` of the home, or of the home that
 * it lies in (`agents/NAME` in it). Throws `MissingExtra` where it is in none, and whatever its own code throws.
 */
export function importExtra(home: string, library: string): unknown {
  const folders = [home, dirname(dirname(home))].map((one) => join(extrasFolder(one), 'package.json'))
  for (const from of [import.meta.url, ...folders]) {
    const require = createRequire(from)
    if (isThere(require, library)) return require(library)
  }
  throw new MissingExtra(library)
}

function isThere(require: NodeJS.Require, library: string): boolean {
  try {
    require.resolve(library)
    return true
  } catch {
    // Whatever the reason, it cannot be loaded from there.
    return false
  }
}
