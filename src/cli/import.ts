import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { UserError } from '../core/user-error.ts'
import { isLocked } from '../lib/lock.ts'
import { askYes } from './ask-yes.ts'
import { lockPath } from './control.ts'
import { homeFolder } from './home.ts'
import { carryOut } from './import/carry-out.ts'
import { planImport } from './import/plan.ts'
import type { Call } from './main.ts'

/** Takes over the home of the Python program, which stays as it is; says first what it will do. */
export default async function importHome(call: Call): Promise<number> {
  const home = homeFolder(process.env)
  const from = resolve((call.words[0] ?? '~/.ductor').replace(/^~(?=$|[/\\])/, homedir()))
  if (!['config/config.json', 'sessions.json'].some((name) => existsSync(join(from, name)))) {
    throw new UserError(
      `${from} does not look like a home of the Python program. Name it: ductor import PATH`,
    )
  }
  if (isLocked(lockPath(home))) throw new UserError('ductor is running. Stop it first: “ductor stop”.')
  const plan = await planImport(from, home)
  say(plan.takes.length === 0 ? `There is nothing to take in ${from}.` : `From ${from} into ${home}:`)
  for (const line of plan.takes) say(`  ✓ ${line}`)
  for (const line of plan.leaves) say(`  – ${line}`)
  if (runs(from))
    say('The Python program seems to run still: stop it before ductor starts, for a bot has one program.')
  if (plan.takes.length === 0) return 1
  say(`Nothing is changed in ${from === home ? 'the files that are there' : from}.`)
  if (!(await askYes('Take it over?', call.has('yes')))) {
    say('Nothing was taken.')
    return 1
  }
  await carryOut(plan)
  say('Done. “ductor doctor” looks whether all is well; “ductor” starts it.')
  return 0
}

/** Its process id stands in a file, which may be left over. */
function runs(from: string): boolean {
  try {
    const pid = Number(readFileSync(join(from, 'bot.pid'), 'utf8').trim())
    return pid > 1 && process.kill(pid, 0)
  } catch {
    // No such file, or nobody of that number.
    return false
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
