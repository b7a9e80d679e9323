import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { File } from '../../config/file.ts'
import { parseExactJson } from '../../lib/exact-json.ts'

const id = z.union([z.number(), z.string()]).transform(String)
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '')

const bucket = z.object({ session_id: text })

const session = z.object({
  provider: text,
  model: text,
  provider_sessions: z.record(z.string(), bucket).catch({}),
})

const named = z.object({
  name: z.string(),
  chat_id: id,
  transport: text,
  provider: text,
  model: text,
  session_id: text,
  prompt_preview: text,
  status: text,
})

export interface OldSession {
  /** `tg:123`, `tg:-100123:42`, `mx:12997533207093120837`. */
  readonly key: string
  /** Empty for the main one. */
  readonly name: string
  /** Which provider and model answer there; empty where it says nothing. */
  readonly provider: string
  readonly model: string
  /** Provider to the CLI's own id. */
  readonly ids: ReadonlyMap<string, string>
  readonly gist: string
}

/** What stands in a home of the Python program, as far as we know what to do with it. */
export interface PythonHome {
  readonly folder: string
  readonly config: File
  readonly sessions: readonly OldSession[]
  /** Files that could not be read, and entries that make no sense: a line each. */
  readonly unreadable: readonly string[]
}

/** Reads it and changes nothing. */
export function readPythonHome(folder: string): PythonHome {
  const unreadable: string[] = []
  const read = (name: string) => readJson(folder, name, unreadable)
  const config = z.record(z.string(), z.unknown()).safeParse(read(join('config', 'config.json'))).data ?? {}
  const main = Object.entries(z.record(z.string(), z.unknown()).safeParse(read('sessions.json')).data ?? {})
  const side =
    z.object({ sessions: z.array(z.unknown()) }).safeParse(read('named_sessions.json')).data?.sessions ?? []
  return {
    folder,
    config,
    sessions: [
      ...main.flatMap(([key, value]) => mainSession(key, value) ?? skip(unreadable, `the session of ${key}`)),
      ...side.flatMap((value) => namedSession(value) ?? skip(unreadable, 'a named session')),
    ].filter(({ ids }) => ids.size > 0),
    unreadable,
  }
}

/** Undefined where it is not there; where it cannot be read, too, and `faults` gets a line. */
export function readJson(folder: string, name: string, faults: string[]): unknown {
  const path = join(folder, name)
  if (!existsSync(path)) return undefined
  try {
    return parseExactJson(readFileSync(path, 'utf8'))
  } catch (error) {
    faults.push(`${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

function skip(unreadable: string[], what: string): readonly OldSession[] {
  unreadable.push(`${what} makes no sense`)
  return []
}

function mainSession(key: string, value: unknown): OldSession | undefined {
  const { data } = session.safeParse(value)
  if (data === undefined) return undefined
  const ids = Object.entries(data.provider_sessions).flatMap(([provider, { session_id: one }]) =>
    one === '' ? [] : [[provider, one] as const],
  )
  const { provider, model } = data
  return { key: keyOf(key), name: '', provider, model, ids: new Map(ids), gist: '' }
}

/** Those of other agents, `ia-…`, come with the agents; ended ones are over. */
function namedSession(value: unknown): OldSession | undefined {
  const { data } = named.safeParse(value)
  if (data === undefined) return undefined
  const { name, provider, model, session_id: one } = data
  const over = data.status === 'ended' || name.startsWith('ia-') || one === ''
  return {
    key: keyOf(data.transport === '' ? data.chat_id : `${data.transport}:${data.chat_id}`),
    name: name.toLowerCase(),
    provider,
    model,
    ids: new Map(over ? [] : [[provider, one]]),
    gist: data.prompt_preview,
  }
}

/** A bare number is a chat of Telegram. */
function keyOf(key: string): string {
  return /^-?\d+$/.test(key) ? `tg:${key}` : key
}
