import { readdirSync, lstatSync } from 'node:fs'
import { join } from 'node:path'

export interface FolderSize {
  readonly files: number
  readonly bytes: number
}

/** Of a file, or of all files in a folder and below it; links are not followed. Nothing where there is nothing. */
export function folderSize(path: string): FolderSize {
  const facts = lstatSync(path, { throwIfNoEntry: false })
  if (facts === undefined) return { files: 0, bytes: 0 }
  if (!facts.isDirectory()) return { files: 1, bytes: facts.size }
  return readdirSync(path).reduce(
    (sum, name) => {
      const { files, bytes } = folderSize(join(path, name))
      return { files: sum.files + files, bytes: sum.bytes + bytes }
    },
    { files: 0, bytes: 0 },
  )
}

/** `18.9 MB`, `340 kB`. */
export function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
