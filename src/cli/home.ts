import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** The home folder: `DUCTOR_HOME`, or `.ductor` in the person's own. */
export function homeFolder(env: NodeJS.ProcessEnv): string {
  const named = env['DUCTOR_HOME']
  if (named === undefined || named === '') return join(homedir(), '.ductor')
  // In a unit file or in quotes no shell has put the home in place of the tilde.
  return resolve(named.replace(/^~(?=$|[/\\])/, homedir()))
}
