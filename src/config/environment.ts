import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

/** The file whose variables fill the gaps of the environment. */
export function environmentPath(home: string): string {
  return join(home, '.env')
}

/** This process's environment, its gaps filled from `.env` in the home folder. What is set to nothing is no gap. */
export function environment(
  home: string,
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const all = { ...variablesOf(environmentPath(home)), ...own }
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  )
}

function variablesOf(path: string): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch {
    // Most homes have none. One that cannot be read is named by `doctor`.
    return {}
  }
}
