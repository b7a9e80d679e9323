import { UserError } from '../core/user-error.ts'
import { isLocked } from '../lib/lock.ts'
import { isInstalled, recipeFor, uninstallService } from '../service/service.ts'
import { askYes } from './ask-yes.ts'
import { contentsOf, listed, remove } from './contents.ts'
import { lockPath } from './control.ts'
import { npmProgram, runNpm } from './npm.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'
import { placeOf } from './place.ts'
import { servicePlan } from './service-plan.ts'

/** Removes the service and the program; the home folder only where that was asked for. */
export default async function uninstall(call: Call): Promise<number> {
  const home = homeFolder(process.env)
  const recipe = recipeFor(await servicePlan(home, process.env))
  const service = isInstalled(recipe)
  if (!service && isLocked(lockPath(home)))
    throw new UserError('ductor is running. Stop it first: “ductor stop”.')
  const contents = call.has('home') ? contentsOf(home, true) : undefined
  const place = placeOf()
  if (service) say(`The service will be removed: ${recipe.files.map(({ path }) => path).join(', ')}.`)
  say(
    place.kind === 'global'
      ? `The program will be removed: ${place.folder}.`
      : `The program stays: it was not installed with “npm install -g” (${place.folder}).`,
  )
  say(contents === undefined ? `${home} stays as it is (--home deletes it, too).` : listed(home, contents))
  if (!(await askYes('Go on?', call.has('yes')))) {
    say('Nothing was removed.')
    return 1
  }
  if (service) await uninstallService(recipe, say)
  if (contents !== undefined) remove(home, contents)
  if (place.kind === 'global') {
    await runNpm(
      npmProgram(process.env),
      ['uninstall', '--global', '--prefix', place.prefix, 'ductor'],
      process.env,
    )
  }
  say('Done.')
  return 0
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
