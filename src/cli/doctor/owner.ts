import { accessSync, constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { configPath } from '../../config/file.ts'
import type { Finding } from '../../core/define.ts'
import { storeFile } from '../../store/open.ts'
import { lockPath } from '../control.ts'
import { howToOwn } from '../trouble.ts'

/** What there is of the home folder and this person may not use; after “sudo ductor” it belongs to root. */
export function owner(home: string): Finding[] {
  const { R_OK, W_OK, X_OK } = constants
  if (!mayUse(home, R_OK + W_OK + X_OK)) return [problem([home], home)]
  const needed: readonly (readonly [path: string, how: number])[] = [
    [configPath(home), R_OK],
    [join(home, storeFile), R_OK + W_OK],
    [lockPath(home), R_OK + W_OK],
    [join(home, 'logs', 'ductor.log'), W_OK],
    [join(home, 'workspace'), R_OK + W_OK],
  ]
  const shut = needed.flatMap(([path, how]) => (mayUse(path, how) ? [] : [path]))
  return shut.length === 0 ? [] : [problem(shut, home)]
}

function problem(shut: readonly string[], home: string): Finding {
  return { level: 'problem', what: `you may not use ${shut.join(', ')}`, mend: howToOwn(home) }
}

/** Of what is still to make, whether it can be made. */
function mayUse(path: string, how: number): boolean {
  try {
    accessSync(path, how)
    return true
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return missing && (dirname(path) === path || mayUse(dirname(path), constants.W_OK))
  }
}
