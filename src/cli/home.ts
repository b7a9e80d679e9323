import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** The home folder: `DUCTOR_HOME`, or `.ductor` in the person's own. */
export function homeFolder(env: NodeJS.ProcessEnv): string {
  const named = env['DUCTOR_HOME']
  return named === undefined || named === '' ? join(homedir(), '.ductor') : resolve(named)
}
