import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../core/user-error.ts'
import { isLocked } from '../lib/lock.ts'
import type { ServicePlan, ServiceRecipe } from '../service/recipe.ts'
import { installService, isInstalled, recipeFor, runAll } from '../service/service.ts'
import { ask, lockPath } from './control.ts'
import { configured } from './load.ts'
import { servicePlan } from './service-plan.ts'

/** Node, the settings and the store; connecting to the networks comes after it. */
const comingUpMs = 20_000

/** Installs the service and waits until ductor is there. Throws `UserError` where nothing would start, or nothing does. */
export async function bringService(
  home: string,
  recipe: ServiceRecipe,
  say: (line: string) => void,
): Promise<void> {
  await configured(home)
  if (!isInstalled(recipe) && isLocked(lockPath(home))) {
    throw new UserError(
      'ductor runs here already, not as a service. Stop it first (“ductor stop”), then install.',
    )
  }
  await installService(recipe, say)
  const pid = await comesUp(home)
  say(`ductor is a service of ${recipe.system} now (pid ${pid}). ${recipe.begins()}`)
}

/** Starts the service that is installed and waits until ductor is there. Throws `UserError` where it does not come. */
export async function startService(
  home: string,
  recipe: ServiceRecipe,
  say: (line: string) => void,
): Promise<void> {
  await runAll(recipe.start)
  say(`The service was started (pid ${await comesUp(home)}).`)
}

/** Has a service that is installed, and cannot start ductor, rest, as far as it can be reached. False: there is none. */
export async function calmService(home: string): Promise<boolean> {
  const recipe = recipeWherePossible(await servicePlan(home, process.env))
  if (recipe === undefined || !isInstalled(recipe)) return false
  await runAll(recipe.stop.map((each) => ({ ...each, optional: true })))
  return true
}

/** How a person starts ductor where it does not run. */
export async function howToStart(home: string): Promise<string> {
  const recipe = recipeWherePossible(await servicePlan(home, process.env))
  if (recipe === undefined || !isInstalled(recipe)) return 'Start it with “ductor”.'
  return 'The service is installed: “ductor service start” starts it; “ductor logs” says why it ended.'
}

function recipeWherePossible(plan: ServicePlan): ServiceRecipe | undefined {
  try {
    return recipeFor(plan)
  } catch (error) {
    if (error instanceof UserError) return undefined
    throw error
  }
}

async function comesUp(home: string): Promise<number> {
  for (const end = Date.now() + comingUpMs; Date.now() < end; await sleep(100)) {
    const asked = await ask(home, 'status', 1000)
    if (asked.state === 'running') return asked.note.pid
  }
  throw new UserError(
    'The service is installed, but ductor does not come up. “ductor logs” and “ductor doctor” say why.',
  )
}
