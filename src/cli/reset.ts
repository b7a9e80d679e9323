import { UserError } from '../core/user-error.ts'
import { isLocked } from '../lib/lock.ts'
import { askYes } from './ask-yes.ts'
import { contentsOf, listed, remove } from './contents.ts'
import { lockPath } from './control.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'

/** Deletes what ductor keeps: settings, log-ins, conversations. The agent's own files stay unless asked for, too. */
export default async function reset(call: Call): Promise<number> {
  const home = homeFolder(process.env)
  if (isLocked(lockPath(home))) throw new UserError('ductor is running. Stop it first: “ductor stop”.')
  const contents = contentsOf(home, call.has('workspace'))
  process.stdout.write(`${listed(home, contents)}\n`)
  if (!(await askYes('Delete it for ever?', call.has('yes')))) {
    process.stdout.write('Nothing was deleted.\n')
    return 1
  }
  remove(home, contents)
  process.stdout.write('Deleted. “ductor” sets it up anew.\n')
  return 0
}
