import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where this program is, and how it came there. */
export type Place =
  | { readonly kind: 'checkout'; readonly folder: string }
  /** Installed with `npm install -g`; `prefix` as npm understands it. */
  | { readonly kind: 'global'; readonly folder: string; readonly prefix: string }
  /** A part of somebody's project. */
  | { readonly kind: 'local'; readonly folder: string }

export function placeOf(folder = realpathSync(fileURLToPath(new URL('../..', import.meta.url)))): Place {
  const modules = dirname(folder)
  if (basename(modules) !== 'node_modules') return { kind: 'checkout', folder }
  const above = dirname(modules)
  // Windows has no `lib` in between; a project has its package.json beside the folder.
  if (basename(above) === 'lib') return { kind: 'global', folder, prefix: dirname(above) }
  if (existsSync(join(above, 'package.json'))) return { kind: 'local', folder }
  return { kind: 'global', folder, prefix: above }
}
