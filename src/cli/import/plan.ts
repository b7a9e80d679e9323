import { existsSync } from 'node:fs'
import { configPath, type File } from '../../config/file.ts'
import { judge, loadConfig, type Loaded } from '../../config/load.ts'
import { sentence } from '../../config/problem.ts'
import type { Heirloom } from '../../core/define.ts'
import type { Place } from '../../core/message.ts'
import { adapters } from '../load.ts'
import { takeConfig } from './config.ts'
import { filesToCopy } from './files.ts'
import { readPythonHome, type OldSession } from './python-home.ts'

export interface PlacedSession extends OldSession {
  readonly place: Place
}

/** Everything that an import will do, before it does anything. */
export interface ImportPlan {
  readonly from: string
  /** To be written as config.json; undefined where one is there, or where both homes are the same. */
  readonly config: File | undefined
  readonly heirlooms: readonly (readonly [transport: string, heirloom: Heirloom])[]
  readonly sessions: readonly PlacedSession[]
  readonly files: readonly string[]
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
  const heirlooms = await inheritances(config ?? old.config, from)
  const sessions = old.sessions.flatMap((session) => placed(session, heirlooms))
  const files = filesToCopy(from, home)
  return {
    from,
    config,
    heirlooms,
    sessions,
    files,
    takes: [
      ...(config === undefined ? [] : [`config.json: ${Object.keys(config).join(', ')}`]),
      ...heirlooms.flatMap(([, { found }]) => found),
      ...(sessions.length === 0 ? [] : [sessionsInWords(sessions)]),
      ...(files.length === 0 ? [] : [filesInWords(files)]),
    ],
    leaves: [
      ...old.unreadable,
      ...(isThere && !isOwn ? ['config.json: there is one already, and it stays as it is'] : []),
      ...(isOwn ? carelessIn(taken.notes) : taken.notes),
      ...problemsIn(judged),
      ...lost(old.sessions, sessions),
      ...(files.includes('agents.json') ? [subAgents] : []),
    ],
  }
}

/** Their homes lie below the main one, and each is a home of its own. */
const subAgents =
  'the sub-agents of agents.json begin with empty homes: their own sessions and files stay in the old one (agents/NAME)'

async function inheritances(file: File, from: string): Promise<ImportPlan['heirlooms']> {
  const all = await Promise.all(
    adapters.transports.map(async (name) => {
      const definition = await adapters.transport(name)
      const parsed = definition.config.safeParse(file)
      if (!parsed.success) return []
      const heirloom = await definition.inherit?.(parsed.data, from)
      return heirloom === undefined ? [] : [[name, heirloom] as const]
    }),
  )
  return all.flat()
}

function placed(session: OldSession, heirlooms: ImportPlan['heirlooms']): PlacedSession[] {
  const ids = new Map([...session.ids].filter(([provider]) => adapters.providers.includes(provider)))
  const place = heirlooms.flatMap(([, heirloom]) => heirloom.place(session.key) ?? [])[0]
  return place === undefined || ids.size === 0 ? [] : [{ ...session, ids, place }]
}

function lost(all: readonly OldSession[], taken: readonly PlacedSession[]): string[] {
  const kept = new Set(taken.map(({ key, name }) => `${key} ${name}`))
  return all
    .filter(({ key, name }) => !kept.has(`${key} ${name}`))
    .map(
      ({ key, name, ids }) =>
        `the session ${name === '' ? '' : `“${name}” `}of ${key} (${[...ids.keys()].join(', ')}): its chat is not known, or its agent is none that ductor runs`,
    )
}

function problemsIn(judged: Loaded): string[] {
  if (judged.state !== 'wrong') return []
  return judged.problems.map((problem) => `config.json has to be mended: ${sentence(problem)}`)
}

/** In the same home config.json goes on to hold as it is: then it counts what stands there. */
function carelessIn(notes: readonly string[]): string[] {
  return notes.map((note) =>
    note.replace(
      /^(\S+ “[^”]+”) is not taken.*$/,
      '$1 stands in config.json, and holds: take it out if the agent shall ask first',
    ),
  )
}

function sessionsInWords(sessions: readonly PlacedSession[]): string {
  const names = [...new Set(sessions.flatMap(({ ids }) => [...ids.keys()]))].join(', ')
  const side = sessions.filter(({ name }) => name !== '').length
  const chats = new Set(sessions.map(({ key }) => key)).size
  return `the sessions of ${chats} ${chats === 1 ? 'chat' : 'chats'} (${names}${side === 0 ? '' : `; ${side} of them named`})`
}

function filesInWords(files: readonly string[]): string {
  const other = files.filter((name) => !name.startsWith('workspace'))
  const own = files.length - other.length
  return [...other, ...(own === 0 ? [] : [`${own} files of the workspace`])].join(', ')
}
