import { UserError } from '../core/user-error.ts'
import { folderSize, megabytes } from '../lib/folder-size.ts'
import { isLocked } from '../lib/lock.ts'
import { lockPath } from './control.ts'
import { extras, install, type Library } from './extras.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'
import { meant } from './options.ts'

/** Adds what a transport needs beyond the base install; without a name, lists it with size and state. */
export default async function installExtra({ words: [name] }: Call): Promise<number> {
  const home = homeFolder(process.env)
  const all = await extras(home)
  if (name === undefined) {
    for (const [transport, libraries] of all) for (const library of libraries) print(line(transport, library))
    if (all.size === 0) print('Nothing here needs more than the base install.')
    return 0
  }
  if (!all.has(name)) {
    const known = [...all.keys()]
    const near = meant(name, known)
    const list = known.length === 0 ? 'nothing needs to be installed' : `there is ${known.join(', ')}`
    throw new UserError(`There is no extra “${name}”${near}; ${list}.`)
  }
  await install(home, name, process.env, print)
  print(isLocked(lockPath(home)) ? 'Now restart ductor: “ductor restart”.' : 'Now start ductor: “ductor”.')
  return 0
}

function line(transport: string, { name, range, found }: Library): string {
  if (found === undefined)
    return `${transport}  ${name} ${range}: not installed (ductor install ${transport})`
  const size = megabytes(folderSize(found.folder).bytes)
  const state = found.fits ? 'installed' : `installed, but ${range} is needed (ductor install ${transport})`
  return `${transport}  ${name} ${found.version}, ${size}: ${state}`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
