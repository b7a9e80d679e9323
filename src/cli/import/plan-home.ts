import type { File } from '../../config/file.ts'
import type { Heirloom } from '../../core/define.ts'
import type { Place } from '../../core/message.ts'
import { adapters } from '../load.ts'
import { filesToCopy } from './files.ts'
import type { OldSession, PythonHome } from './python-home.ts'

interface PlacedSession extends OldSession {
  readonly place: Place
}

/** What will be done for one agent: the main one, or a sub-agent in its own home. */
export interface HomePlan {
  readonly from: string
  readonly home: string
  readonly heirlooms: readonly (readonly [transport: string, heirloom: Heirloom])[]
  readonly sessions: readonly PlacedSession[]
  readonly files: readonly string[]
  /** For a person: what will be taken, and what will not. */
  readonly takes: readonly string[]
  readonly leaves: readonly string[]
}

/** `file`: the settings that the agent will run under. */
export async function planHome(old: PythonHome, home: string, file: File): Promise<HomePlan> {
  const from = old.folder
  const heirlooms = await inheritances(file, from)
  const sessions = old.sessions.flatMap((session) => placed(session, heirlooms))
  const files = filesToCopy(from, home)
  return {
    from,
    home,
    heirlooms,
    sessions,
    files,
    takes: [
      ...heirlooms.flatMap(([, { found }]) => found),
      ...(sessions.length === 0 ? [] : [sessionsInWords(sessions)]),
      ...(files.length === 0 ? [] : [filesInWords(files)]),
    ],
    leaves: [...old.unreadable, ...lost(old.sessions, sessions)],
  }
}

async function inheritances(file: File, from: string): Promise<HomePlan['heirlooms']> {
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

function placed(session: OldSession, heirlooms: HomePlan['heirlooms']): PlacedSession[] {
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

function sessionsInWords(sessions: readonly PlacedSession[]): string {
  const names = [...new Set(sessions.flatMap(({ ids }) => [...ids.keys()]))].join(', ')
  const side = sessions.filter(({ name }) => name !== '').length
  const chats = new Set(sessions.map(({ key }) => key)).size
  return `the sessions of ${chats} ${chats === 1 ? 'chat' : 'chats'} (${names}${side === 0 ? '' : `; ${side} of them named`})`
}

function filesInWords(files: readonly string[]): string {
  const other = files.filter((name) => !name.startsWith('workspace'))
  const own = files.length - other.length
  return [...other, ...(own === 0 ? [] : [`${own} ${own === 1 ? 'file' : 'files'} of the workspace`])].join(
    ', ',
  )
}
