import { entriesPath, type AgentEntry } from '../../agents/entries.ts'
import { judge } from '../../config/load.ts'
import { sentence } from '../../config/problem.ts'
import type { Finding } from '../../core/define.ts'
import { adapters } from '../load.ts'
import { entriesOf } from '../sub-agents.ts'

/** What is wrong with agents.json, where there is one. */
export async function subAgents(home: string): Promise<Finding[]> {
  const { entries, problems } = await entriesOf(home)
  const mend = `edit ${entriesPath(home)}`
  const judged = await Promise.all(entries.map((entry) => ofEntry(entry, mend)))
  return [...problems.map((what): Finding => ({ level: 'problem', what, mend })), ...judged.flat()]
}

async function ofEntry({ name, file }: AgentEntry, mend: string): Promise<Finding[]> {
  const judged = await judge('agents.json', file, adapters)
  const what = `agents.json, ${name}`
  if (judged.state === 'wrong') {
    return judged.problems.map((one): Finding => ({
      level: 'problem',
      what: `${what}: ${sentence(one)}`,
      mend,
    }))
  }
  const { warnings } = judged.config
  if (warnings.length === 0) return [{ level: 'ok', what: `${what}: is good` }]
  return warnings.map(({ key, message }): Finding => ({
    level: 'warning',
    what: `${what}: ${key}: ${message}`,
  }))
}
