import { UserError } from '../core/user-error.ts'
import {
  inWords,
  installService,
  isInstalled,
  recipeFor,
  runAll,
  show,
  uninstallService,
} from '../service/service.ts'
import type { ServiceRecipe } from '../service/recipe.ts'
import { isLocked } from '../lib/lock.ts'
import { lockPath } from './control.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'
import { MisuseError } from './misuse.ts'
import { servicePlan } from './service-plan.ts'

export default async function service(call: Call): Promise<number> {
  const home = homeFolder(process.env)
  const recipe = recipeFor(await servicePlan(home, process.env))
  const [what] = call.words
  if (what === 'install') return call.has('print') ? print(recipe) : install(home, recipe)
  if (what !== 'status' && what !== 'start' && what !== 'stop' && what !== 'logs' && what !== 'uninstall') {
    throw new MisuseError('“service” is followed by install, status, start, stop, logs or uninstall')
  }
  if (!isInstalled(recipe)) throw new UserError('The service is not installed: “ductor service install”.')
  switch (what) {
    case 'start':
    case 'stop':
      await runAll(recipe[what], say)
      say(what === 'start' ? 'The service was started.' : 'The service was stopped.')
      return 0
    case 'status':
    case 'logs':
      return showAll(recipe[what])
    case 'uninstall':
      await uninstallService(recipe, say)
      say('The service is not installed any more. Everything in the home folder is as it was.')
      return 0
  }
}

async function install(home: string, recipe: ServiceRecipe): Promise<number> {
  if (!isInstalled(recipe) && isLocked(lockPath(home))) {
    throw new UserError(
      'ductor runs here already, not as a service. Stop it first (“ductor stop”), then install.',
    )
  }
  await installService(recipe, say)
  say(
    `ductor is a service of ${recipe.system} now, and starts with this machine. “ductor status” says how it fares.`,
  )
  return 0
}

async function showAll(commands: ServiceRecipe['status']): Promise<number> {
  for (const command of commands) {
    const code = await show(command)
    if (code !== 0) return code
  }
  return 0
}

function print({ files, install: steps }: ServiceRecipe): number {
  for (const { path, text } of files) say(`# ${path}\n${text}`)
  for (const step of steps) say(`$ ${inWords(step)}`)
  return 0
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
