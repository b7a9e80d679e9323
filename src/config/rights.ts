import { statSync } from 'node:fs'
import type { Warning } from '../core/define.ts'
import { quote } from '../lib/shell-quote.ts'

/** A warning where others on this machine may read a file that holds secrets. Windows has no such bits. */
export function tooOpen(path: string): Warning[] {
  if (process.platform === 'win32') return []
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & 0o077) === 0) return []
  return [
    {
      key: path,
      message: `others on this machine can read the secrets in it; run: chmod 600 ${quote(path)}`,
    },
  ]
}
