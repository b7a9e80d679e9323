import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Entries, entriesIn, entriesPath, readEntries } from '../../agents/entries.ts'
import type { File } from '../../config/file.ts'
import { judge } from '../../config/load.ts'
import { sentence } from '../../config/problem.ts'
import { adapters } from '../load.ts'
import { carelessIn, takeEntry } from './config.ts'
import { planHome, type HomePlan } from './plan-home.ts'
import { readJson, readPythonHome } from './python-home.ts'

/** The sub-agents, each with its home. */
export interface AgentsPlan {
  /** To be written as agents.json; undefined where one is there, or where there is none to take. */
  readonly list: readonly File[] | undefined
  readonly homes: readonly HomePlan[]
  readonly takes: readonly string[]
  readonly leaves: readonly string[]
}

const entries = z.array(z.record(z.string(), z.unknown()))

/** `main`: the config.json that will hold. */
export async function planAgents(from: string, home: string, main: File): Promise<AgentsPlan> {
  const faults: string[] = []
  const old = entries.safeParse(readJson(from, 'agents.json', faults)).data ?? []
  const isThere = existsSync(entriesPath(home))
  const taken = old.map((entry) => ({ name: String(entry['name']), ...takeEntry(entry) }))
  const list = isThere || old.length === 0 ? undefined : taken.map(({ file }) => file)
  const holding = list === undefined ? await readEntries(home, main) : entriesIn(list, main)
  const homes = await homesOf(holding, from, home)
  return {
    list,
    homes: homes.map(([, plan]) => plan),
    takes: [
      ...(list === undefined ? [] : [`agents.json: ${taken.map(({ name }) => name).join(', ')}`]),
      ...homes.flatMap(([name, { takes }]) => takes.map((line) => `${name}: ${line}`)),
    ],
    leaves: [
      ...faults,
      ...(isThere && old.length > 0 && from !== home
        ? ['agents.json: there is one already, and it stays as it is']
        : []),
      ...taken.flatMap(({ name, notes }) =>
        (from === home ? carelessIn(notes, 'agents.json') : notes).map((line) => `${name}: ${line}`),
      ),
      ...(await problemsOf(holding)),
      ...homes.flatMap(([name, { leaves }]) => leaves.map((line) => `${name}: ${line}`)),
      ...strangers(holding, from).map(
        (name) => `agents/${name} stays where it is: agents.json does not name it`,
      ),
    ],
  }
}

function homesOf({ entries: named }: Entries, from: string, home: string) {
  return Promise.all(
    named
      .filter(({ name }) => existsSync(join(from, 'agents', name)))
      .map(async ({ name, file }) => {
        const old = readPythonHome(join(from, 'agents', name))
        return [name, await planHome(old, join(home, 'agents', name), file)] as const
      }),
  )
}

async function problemsOf({ entries: named, problems }: Entries): Promise<string[]> {
  const own = await Promise.all(
    named.map(async ({ name, file }) => {
      const judged = await judge('agents.json', file, adapters)
      if (judged.state !== 'wrong') return []
      return judged.problems.map((problem) => `${name} has to be mended in agents.json: ${sentence(problem)}`)
    }),
  )
  return [...problems.map((problem) => `to be mended: ${problem}`), ...own.flat()]
}

/** Homes that nobody is named for. */
function strangers({ entries: named }: Entries, from: string): string[] {
  const folder = join(from, 'agents')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !named.some(({ name }) => name === entry.name))
    .map(({ name }) => name)
}
