import { setTimeout as sleep } from 'node:timers/promises'
import { isLocked } from '../lib/lock.ts'
import { ask, lockPath, readNote } from './control.ts'
import { homeFolder } from './home.ts'

/** Asks the running ductor to end in good order and waits until it has. */
export default async function stop(): Promise<number> {
  const home = homeFolder(process.env)
  const note = readNote(home)
  if (note === undefined || !isLocked(lockPath(home))) {
    process.stdout.write('ductor is not running.\n')
    return 3
  }
  await ask(note, 'stop')
  while (isLocked(lockPath(home))) await sleep(50)
  process.stdout.write('ductor has stopped.\n')
  return 0
}
