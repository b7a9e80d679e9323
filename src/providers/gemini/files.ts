import { readdir, readFile, stat, unlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import type { SessionSummary } from '../../core/provider.ts'

/** Bytes. Nobody needs the title of a session whose file is larger. */
const fileLimit = 16 * 1024 * 1024
/** Bytes. A file without a conversation holds little more than a list of the folder. */
const huskLimit = 256 * 1024
const sessionsRead = 50
const titleLimit = 80
const minuteMs = 60_000

const metadata = z.object({ sessionId: z.string(), kind: z.string().nullish() })
const textPart = z.object({ text: z.string() })
const message = z.object({
  type: z.string(),
  content: z.union([z.string(), z.array(z.union([textPart, z.unknown()]))]),
})
const change = z.object({ $set: z.object({ messages: z.array(message).optional() }) })
const projects = z.object({ projects: z.record(z.string(), z.string()) })

/** A file of Gemini's, and what is said in it. */
interface SessionFile {
  readonly path: string
  readonly sessionId: string
  readonly isMain: boolean
  /** The person's own prompts and the model's answers. */
  readonly spoken: readonly z.infer<typeof message>[]
  readonly changedAt: number
}

/** What Gemini keeps in `~/.gemini/tmp/PROJECT/chats`: a file a session, named after the minute and the session. */
export class GeminiFiles {
  readonly #root: string

  /** `root`: Gemini's own folder, `~/.gemini`. */
  constructor(root: string) {
    this.#root = root
  }

  /**
   * Milliseconds until the session can be loaded. A load begins by writing an empty session of the same id into the
   * file that this minute and the id name; where that is the session's own file, it is lost.
   */
  async loadsIn(sessionId: string, now = Date.now()): Promise<number> {
    const minute = new Date(now).toISOString().slice(0, 16).replace(':', '-')
    const paths = await this.#paths(sessionId)
    const taken = paths.some((path) => basename(path).startsWith(`session-${minute}-`))
    // A little more, for its clock is read a little later than ours.
    return taken ? minuteMs - (now % minuteMs) + 200 : 0
  }

  /**
   * Removes the empty session that a load has left beside the real one. At its next start Gemini would find a session
   * without a message, take it for broken, and remove every file of that id, the real one too.
   */
  async removeHusks(sessionId: string): Promise<void> {
    const paths = await this.#paths(sessionId)
    const kinds = await Promise.all(paths.map((path) => kindOf(path, sessionId)))
    if (!kinds.includes('real')) return
    for (const [index, path] of paths.entries()) if (kinds[index] === 'husk') await unlink(path)
  }

  /** The sessions that were begun in this folder, newest first. */
  async sessions(cwd: string): Promise<readonly SessionSummary[]> {
    const project = await this.#project(cwd)
    if (project === undefined) return []
    const paths = await newest(await filesIn(join(this.#root, 'tmp', project, 'chats')))
    const files = await Promise.all(paths.slice(0, sessionsRead).map((path) => read(path)))
    const told = files.flatMap((file) => {
      const title = file?.isMain === true ? titleOf(file) : undefined
      return file === undefined || title === undefined
        ? []
        : [{ id: file.sessionId, title, updatedAt: Math.round(file.changedAt) }]
    })
    // The same id may have two files; the one that changed last comes first.
    return [...new Map(told.toReversed().map((each) => [each.id, each])).values()].toReversed()
  }

  async #project(cwd: string): Promise<string | undefined> {
    const text = await readFile(join(this.#root, 'projects.json'), 'utf8').catch(() => '{}')
    return projects.safeParse(parsed(text)).data?.projects[cwd]
  }

  async #paths(sessionId: string): Promise<readonly string[]> {
    const tmp = join(this.#root, 'tmp')
    const folders = await readdir(tmp).catch(() => [])
    const all = await Promise.all(folders.map((folder) => filesIn(join(tmp, folder, 'chats'))))
    return all.flat().filter((path) => path.endsWith(`-${sessionId.slice(0, 8)}.jsonl`))
  }
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => [])
  return names
    .filter((name) => name.startsWith('session-') && name.endsWith('.jsonl'))
    .map((name) => join(folder, name))
}

async function newest(paths: readonly string[]): Promise<readonly string[]> {
  const dated = await Promise.all(
    paths.map(async (path) => ({ path, at: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 })),
  )
  return dated.toSorted((one, other) => other.at - one.at).map(({ path }) => path)
}

/** `real`: it has a conversation. `husk`: it has none, or not even a whole first line, as after a full disk. */
async function kindOf(path: string, sessionId: string): Promise<'real' | 'husk' | 'other'> {
  const size = (await stat(path).catch(() => undefined))?.size
  if (size === undefined) return 'other'
  if (size > fileLimit) return 'real'
  const file = await read(path)
  if (file === undefined) {
    const text = size > huskLimit ? '\n' : await readFile(path, 'utf8').catch(() => '\n')
    return text.includes('\n') ? 'other' : 'husk'
  }
  if (file.sessionId !== sessionId) return 'other'
  if (file.spoken.length > 0) return 'real'
  return size <= huskLimit ? 'husk' : 'other'
}

/** Undefined for a file that went away, is too large, or is none of Gemini's. */
async function read(path: string): Promise<SessionFile | undefined> {
  const about = await stat(path).catch(() => undefined)
  if (about === undefined || about.size > fileLimit) return undefined
  const text = await readFile(path, 'utf8').catch(() => '')
  const [first, ...records] = text.split('\n').map(parsed)
  const meta = metadata.safeParse(first).data
  if (meta === undefined) return undefined
  const messages = records.flatMap((record) => {
    const one = message.safeParse(record)
    if (one.success) return [one.data]
    return change.safeParse(record).data?.$set.messages ?? []
  })
  return {
    path,
    sessionId: meta.sessionId,
    isMain: meta.kind !== 'subagent',
    spoken: messages.filter((each) => !textOf(each).startsWith('<session_context>')),
    changedAt: about.mtimeMs,
  }
}

function titleOf({ spoken }: SessionFile): string | undefined {
  const prompt = spoken.find(({ type }) => type === 'user')
  if (prompt === undefined) return undefined
  const line = textOf(prompt).replaceAll(/\s+/g, ' ').trim()
  return line.length > titleLimit ? `${line.slice(0, titleLimit - 1)}…` : line
}

function textOf({ content }: z.infer<typeof message>): string {
  if (typeof content === 'string') return content
  return content.map((part) => textPart.safeParse(part).data?.text ?? '').join('')
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // Half a line: Gemini is just writing it.
    return undefined
  }
}
