import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { isLocked } from '../lib/lock.ts'
import { ask, lockPath } from './control.ts'
import { homeFolder } from './home.ts'
import { calmService } from './service-up.ts'

const answer = z.object({ grace_s: z.number() })

/** Closing the store and the connections, when the turns have ended. */
const usualClosingMs = 15_000

/** Asks the running ductor to end in good order and waits until it has. */
export default async function stop(): Promise<number> {
  const home = homeFolder(process.env)
  const { state, kill } = await stopRunning(home)
  if (state === 'absent') {
    // What cannot start is tried again by its service, for ever.
    const calmed = await calmService(home)
    process.stdout.write(
      `ductor is not running.${calmed ? ' Its service does not try to start it any more, until “ductor service start”.' : ''}\n`,
    )
    return 3
  }
  if (state === 'stopped') {
    process.stdout.write('ductor has stopped.\n')
    return 0
  }
  process.stderr.write(
    `ductor runs but does not stop. It may be killed${kill}: nothing that it has taken is lost.\n`,
  )
  return 1
}

interface Stopping {
  readonly state: 'absent' | 'stopped' | 'stays'
  /** How it can be ended, in parentheses, where that is known. */
  readonly kill: string
}

/** The same, for whoever goes on afterwards: its turns have the time that they were promised. */
export async function stopRunning(home: string, closingMs = usualClosingMs): Promise<Stopping> {
  const asked = await ask(home, 'stop')
  if (asked.state === 'stopped') return { state: 'absent', kill: '' }
  if (asked.state === 'running') {
    const end = Date.now() + answer.parse(asked.answer).grace_s * 1000 + closingMs
    while (isLocked(lockPath(home)) && Date.now() < end) await sleep(50)
    if (!isLocked(lockPath(home))) return { state: 'stopped', kill: '' }
  }
  return { state: 'stays', kill: asked.note === undefined ? '' : ` (kill -9 ${asked.note.pid})` }
}
