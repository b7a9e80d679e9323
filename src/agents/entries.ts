import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { File } from '../config/file.ts'
import { parseJson } from '../config/json.ts'

/** One sub-agent, with the configuration that it runs under, as if that were its own config.json. */
export interface AgentEntry {
  readonly name: string
  readonly file: File
}

export interface Entries {
  readonly entries: readonly AgentEntry[]
  /** What is wrong with the file or with single entries, a line each. Those entries are left out. */
  readonly problems: readonly string[]
}

/** What a sub-agent takes over from the main one. Nothing that says who it is or who may talk to it. */
const inherited = [
  'backlog_max_age_minutes',
  'daily_reset_enabled',
  'daily_reset_hour',
  'file_access',
  'group_mention_only',
  'history_days',
  'idle_timeout_minutes',
  'max_session_messages',
  'model',
  'permission_mode',
  'permission_timeout_minutes',
  'provider',
  'providers',
  'reasoning_effort',
  'scene',
  'streaming',
  'telegram_api_root',
  'transcription',
  'user_timezone',
] as const

const list = z.array(z.record(z.string(), z.unknown()), 'must be a list of agents: [ { "name": … } ]')
const agentName = /^[a-z][a-z0-9_-]{0,31}$/

/** The path of the file that lists the sub-agents. */
export function entriesPath(home: string): string {
  return join(home, 'agents.json')
}

/** Reads `agents.json` in the home folder; no file means no sub-agents. Never writes it. */
export async function readEntries(home: string, main: File): Promise<Entries> {
  const path = entriesPath(home)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { entries: [], problems: [] }
    return { entries: [], problems: [`agents.json cannot be read: ${String(error)}`] }
  }
  const parsed = await parseJson(text)
  if ('value' in parsed) return entriesIn(parsed.value, main)
  const { line, column, what } = parsed.fault
  return { entries: [], problems: [`agents.json, line ${line}, column ${column}: ${what}`] }
}

/** What an `agents.json` says. Pure. */
export function entriesIn(json: unknown, main: File): Entries {
  const parsed = list.safeParse(json)
  if (!parsed.success)
    return { entries: [], problems: [`agents.json ${parsed.error.issues[0]?.message ?? 'is wrong'}`] }
  const entries: AgentEntry[] = []
  const problems: string[] = []
  const taken = new Map(identities(main).map((identity) => [identity, 'main']))
  for (const [index, entry] of parsed.data.entries()) {
    const { name } = entry
    const wrong = wrongName(name, entries)
    if (wrong !== undefined || typeof name !== 'string') {
      problems.push(`agents.json, entry ${index + 1}: ${wrong}`)
      continue
    }
    const file = fileOf(entry, main)
    const double = identities(file).find((identity) => taken.has(identity))
    if (double !== undefined) {
      problems.push(
        `agents.json, ${name}: has the ${wordFor(double)} of ${taken.get(double)}; it needs its own`,
      )
      continue
    }
    for (const identity of identities(file)) taken.set(identity, name)
    entries.push({ name, file })
  }
  return { entries, problems }
}

function wrongName(name: unknown, entries: readonly AgentEntry[]): string | undefined {
  if (typeof name !== 'string' || !agentName.test(name))
    return 'name must be made of small letters, digits, - and _, such as "coder"'
  if (name === 'main') return 'name must not be "main": that is the agent of config.json'
  if (entries.some((entry) => entry.name === name)) return `name "${name}" is there twice`
  return undefined
}

function fileOf({ name: _name, transport, ...entry }: File, main: File): File {
  const shared = Object.fromEntries(inherited.flatMap((key) => (key in main ? [[key, main[key]]] : [])))
  const transports = Array.isArray(entry['transports']) ? entry['transports'] : [transport ?? 'telegram']
  return { ...shared, ...entry, transports }
}

/** By what a bot is known to a network: no two agents can share it. */
function identities(file: File): readonly string[] {
  const token = file['telegram_token']
  const matrix = z.object({ user_id: z.string() }).safeParse(file['matrix']).data
  return [
    ...(typeof token === 'string' && token !== '' ? [`telegram ${token}`] : []),
    ...(matrix === undefined ? [] : [`matrix ${matrix.user_id}`]),
  ]
}

function wordFor(identity: string): string {
  return identity.startsWith('telegram') ? 'telegram_token' : 'matrix account'
}
