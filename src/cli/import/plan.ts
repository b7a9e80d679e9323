import { existsSync } from 'node:fs'
import { configPath, type File } from '../../config/file.ts'
import { judge, loadConfig, type Loaded } from '../../config/load.ts'
import { sentence } from '../../config/problem.ts'
import { adapters } from '../load.ts'
import { existingFile } from '../onboarding/write.ts'
import { carelessIn, takeConfig } from './config.ts'
import { planAgents } from './plan-agents.ts'
import { planHome, type HomePlan } from './plan-home.ts'
import { readPythonHome } from './python-home.ts'

/** Everything that an import will do, before it does anything. */
export interface ImportPlan {
  readonly home: string
  /** To be written as config.json; undefined where one is there, or where both homes are the same. */
  readonly config: File | undefined
  /** To be written as agents.json; undefined in the same cases. */
  readonly agents: readonly File[] | undefined
  /** The main agent's first. */
  readonly homes: readonly HomePlan[]
  /** For a person: what will be taken, and what will not. */
  readonly takes: readonly string[]
  readonly leaves: readonly string[]
}

export async function planImport(from: string, home: string): Promise<ImportPlan> {
  const old = readPythonHome(from)
  const taken = takeConfig(old.config)
  const isOwn = from === home
  const isThere = existsSync(configPath(home))
  const config = isThere || Object.keys(taken.file).length === 0 ? undefined : taken.file
  const judged =
    config === undefined ? await loadConfig(home, adapters) : await judge('config.json', config, adapters)
  const main = await planHome(old, home, config ?? old.config)
  const agents = await planAgents(from, home, config ?? (await existingFile(home)) ?? {})
  return {
    home,
    config,
    agents: agents.list,
    homes: [main, ...agents.homes],
    takes: [
      ...(config === undefined ? [] : [`config.json: ${Object.keys(config).join(', ')}`]),
      ...main.takes,
      ...agents.takes,
    ],
    leaves: [
      ...(isThere && !isOwn ? ['config.json: there is one already, and it stays as it is'] : []),
      ...(isOwn ? carelessIn(taken.notes, 'config.json') : taken.notes),
      ...problemsIn(judged),
      ...main.leaves,
      ...agents.leaves,
    ],
  }
}

function problemsIn(judged: Loaded): string[] {
  if (judged.state !== 'wrong') return []
  return judged.problems.map((problem) => `config.json has to be mended: ${sentence(problem)}`)
}
