import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../config/load.ts'
import type { ServicePlan } from '../service/recipe.ts'
import { adapters } from './load.ts'

/** The launcher of this installation, absolute. */
export const program = fileURLToPath(new URL('../../bin/ductor.mjs', import.meta.url))

/** How this installation would run on this home folder as a service. */
export async function servicePlan(home: string, env: NodeJS.ProcessEnv): Promise<ServicePlan> {
  const loaded = await loadConfig(home, adapters)
  return {
    name: nameFor(home),
    command: [process.execPath, program],
    env: { DUCTOR_HOME: home, DUCTOR_SUPERVISOR: '1', PATH: env['PATH'] ?? '' },
    home,
    userHome: homedir(),
    graceSeconds: loaded.state === 'good' ? loaded.config.core.shutdown_grace_seconds : 10,
  }
}

/** Two homes never share a name: one service does not take the place of the other. */
function nameFor(home: string): string {
  if (home === join(homedir(), '.ductor')) return 'ductor'
  const readable = basename(home)
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 6)
  return `ductor-${readable === '' ? '' : `${readable}-`}${digest}`
}
