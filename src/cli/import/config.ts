import type { File } from '../../config/file.ts'
import { schema } from '../../config/schema.ts'

/** What the Python program writes into every file, asked or not. */
const defaults: File = {
  daily_reset_enabled: false,
  daily_reset_hour: 4,
  group_mention_only: false,
  idle_timeout_minutes: 1440,
  log_level: 'INFO',
  max_session_messages: null,
  model: 'opus',
  provider: 'claude',
  reasoning_effort: 'medium',
  user_timezone: '',
}

/** Keys of the transports; each takes its own. */
const ofTransports = [
  'telegram_api_root',
  'telegram_token',
  'allowed_user_ids',
  'allowed_group_ids',
  'group_mention_only',
  'matrix',
]

/** It lets agents do what nobody was asked about, and stands in every file of the Python program. */
const careless: File = { permission_mode: 'bypassPermissions', file_access: 'all' }

export interface TakenConfig {
  readonly file: File
  /** What a person should know about it, a line each. */
  readonly notes: readonly string[]
}

/** Out of a config.json of the Python program, what a person has set and ductor knows. */
export function takeConfig(old: File): TakenConfig {
  const { file, notes } = takeSet(old, 'config.json', (key) => old[key] !== defaults[key])
  return { file: { ...transportsOf(old), ...file }, notes }
}

/**
 * Out of an entry of its agents.json, the same. What is set there counts even where it is what would hold anyway:
 * the main agent may have something else.
 */
export function takeEntry(old: File): TakenConfig {
  const { file, notes } = takeSet(old, 'agents.json', () => true)
  const who = Object.fromEntries(
    ['name', 'transport'].flatMap((key) => (isSet(old[key]) ? [[key, old[key]]] : [])),
  )
  return { file: { ...who, ...file }, notes }
}

function takeSet(old: File, where: string, counts: (key: string) => boolean): TakenConfig {
  const known = [...Object.keys(schema.shape), ...ofTransports].filter((key) => !/^transports?$/.test(key))
  const set = known.filter((key) => isSet(old[key]) && counts(key))
  const taken = set.filter((key) => old[key] !== careless[key])
  const notes = set
    .filter((key) => old[key] === careless[key])
    .map(
      (key) =>
        `${key} “${String(old[key])}” is not taken: here the agent asks first. Write it into ${where} if you want it.`,
    )
  const left = Object.keys(old).filter((key) => !known.includes(key) && isSwitchedOn(old[key]))
  return {
    file: Object.fromEntries(taken.map((key) => [key, key === 'matrix' ? withoutEmpty(old[key]) : old[key]])),
    notes: [
      ...notes,
      ...(left.length === 0 ? [] : [`not known here, or not yet: ${left.toSorted().join(', ')}`]),
    ],
  }
}

/** In the same home the file goes on to hold as it is: then it counts what stands there. */
export function carelessIn(notes: readonly string[], where: string): string[] {
  return notes.map((note) =>
    note.replace(
      /^(\S+ “[^”]+”) is not taken.*$/,
      `$1 stands in ${where}, and holds: take it out if the agent shall ask first`,
    ),
  )
}

/** Whatever the program derived: a transport without its settings was never meant. */
function transportsOf(old: File): File {
  const list = Array.isArray(old['transports'])
    ? old['transports'].filter((name) => typeof name === 'string')
    : []
  const one = typeof old['transport'] === 'string' ? old['transport'] : 'telegram'
  const named = list.length > 0 ? list : [one]
  const ready = [...new Set([...named, one])].filter((name) => isReady(name, old))
  if (ready.length > 1) return { transports: ready }
  return ready[0] === undefined || ready[0] === 'telegram' ? {} : { transport: ready[0] }
}

function isReady(name: string, old: File): boolean {
  if (name === 'telegram') return isSet(old['telegram_token'])
  return name === 'matrix' && Object.keys(withoutEmpty(old['matrix'])).includes('homeserver')
}

function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object' && value !== null) return Object.keys(withoutEmpty(value)).length > 0
  return value !== undefined && value !== null && value !== '' && value !== 'null'
}

/** Of a block: its own `enabled`; all else that is unknown would only be noise. */
function isSwitchedOn(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'enabled' in value && value.enabled === true
}

function withoutEmpty(block: unknown): File {
  if (typeof block !== 'object' || block === null) return {}
  return Object.fromEntries(Object.entries(block).filter(([, value]) => value !== '' && value !== null))
}
