import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { isInstalled, recipeFor } from '../service/service.ts'
import { isLocked } from '../lib/lock.ts'
import { ask, lockPath, readNote, type RunningNote } from './control.ts'
import { homeFolder } from './home.ts'
import { wouldBegin } from './load.ts'
import { servicePlan } from './service-plan.ts'
import { startService } from './service-up.ts'

const answer = z.object({ grace_s: z.number() })

/** From the first sign of the new process to its first answer. */
const comingUpMs = 60_000
/** A service waits a few seconds before it starts again, an own process none. */
const absentMs = 15_000

/** Lets the running ductor end in good order and begin anew; where none runs, starts the service. */
export default async function restart(): Promise<number> {
  const home = homeFolder(process.env)
  if (isLocked(lockPath(home)) && readNote(home)?.configured === true) await wouldBegin(home)
  const asked = await restartRunning(home)
  if (asked.state === 'restarted') {
    say(`ductor ${asked.note.version} has restarted (pid ${asked.note.pid}).`)
    return 0
  }
  if (asked.state === 'stopped') {
    const recipe = recipeFor(await servicePlan(home, process.env))
    if (!isInstalled(recipe)) {
      say('ductor is not running. Start it with “ductor”.')
      return 3
    }
    say('ductor was not running.')
    await startService(home, recipe, say)
    return 0
  }
  process.stderr.write(`${asked.why}\n`)
  return 1
}

export type Restarted =
  | { readonly state: 'stopped' }
  | { readonly state: 'restarted'; readonly note: RunningNote }
  | { readonly state: 'failed'; readonly why: string }

/** Asks the running ductor to restart, and waits until the new one answers. */
export async function restartRunning(home: string): Promise<Restarted> {
  const asked = await ask(home, 'restart')
  if (asked.state === 'stopped') return { state: 'stopped' }
  if (asked.state === 'silent')
    return { state: 'failed', why: `ductor runs but does not answer: ${asked.why}.` }
  const end = Date.now() + answer.parse(asked.answer).grace_s * 1000 + comingUpMs
  let seenAt = Date.now()
  while (Date.now() < end && Date.now() < seenAt + absentMs) {
    await sleep(100)
    if (isLocked(lockPath(home))) seenAt = Date.now()
    if (readNote(home)?.startedAt === asked.note.startedAt) continue
    const fresh = await ask(home, 'status', 1000)
    if (fresh.state === 'running' && fresh.note.startedAt !== asked.note.startedAt) {
      return { state: 'restarted', note: fresh.note }
    }
  }
  return { state: 'failed', why: 'ductor has stopped, but did not come up again. “ductor logs” says why.' }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
