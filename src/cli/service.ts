import { UserError } from '../core/user-error.ts'
import { inWords, isInstalled, recipeFor, runAll, show, uninstallService } from '../service/service.ts'
import type { ServiceRecipe } from '../service/recipe.ts'
import { homeFolder } from './home.ts'
import type { Call } from './main.ts'
import { MisuseError } from './misuse.ts'
import { servicePlan } from './service-plan.ts'
import { bringService, startService } from './service-up.ts'

export default async function service(call: Call): Promise<number> {
  const home = homeFolder(process.env)
  const recipe = recipeFor(await servicePlan(home, process.env))
  const [what] = call.words
  if (what === 'install' && call.has('print')) return print(recipe)
  if (what === 'install') {
    await bringService(home, recipe, say)
    return 0
  }
  if (what !== 'status' && what !== 'start' && what !== 'stop' && what !== 'logs' && what !== 'uninstall') {
    throw new MisuseError('“service” is followed by install, status, start, stop, logs or uninstall')
  }
  if (!isInstalled(recipe)) throw new UserError('The service is not installed: “ductor service install”.')
  switch (what) {
    case 'start':
      await startService(home, recipe, say)
      return 0
    case 'stop':
      await runAll(recipe.stop)
      say(
        'The service was stopped. It comes back with the next start of the system, or with “ductor service start”.',
      )
      return 0
    case 'status':
      return showAll(recipe.status)
    case 'logs': {
      const code = await showAll(recipe.logs)
      if (code !== 0) process.stderr.write('“ductor logs” shows what ductor itself has written.\n')
      return code
    }
    case 'uninstall':
      await uninstallService(recipe, say)
      say('The service is not installed any more. Everything in the home folder is as it was.')
      return 0
  }
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
