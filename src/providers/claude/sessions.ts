import { open, readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { SessionSummary } from '../../core/provider.ts'
import { claudeFolder } from './home-folder.ts'

const mostSessions = 50
/** Bytes read at either end of a session's file: its first prompt is near the beginning, its title near the end. */
const windowBytes = 64 * 1024
const titleLimit = 80

const line = z.union([
  z
    .object({ type: z.literal('custom-title'), customTitle: z.string() })
    .transform((each) => ({ title: each.customTitle })),
  z
    .object({ type: z.literal('ai-title'), aiTitle: z.string() })
    .transform((each) => ({ title: each.aiTitle })),
  z
    .object({ type: z.literal('summary'), summary: z.string() })
    .transform((each) => ({ title: each.summary })),
  z
    .object({
      type: z.literal('user'),
      isMeta: z.boolean().nullish(),
      isSidechain: z.boolean().nullish(),
      message: z.object({
        content: z.union([z.string(), z.array(z.object({ type: z.string(), text: z.string().nullish() }))]),
      }),
    })
    .transform(({ isMeta, isSidechain, message: { content } }) => {
      const texts = typeof content === 'string' ? [content] : content.map(({ text }) => text ?? '')
      // What begins with a tag was put in by the program.
      const said = texts.find((text) => text.trim() !== '' && !text.trimStart().startsWith('<'))
      return isMeta === true || isSidechain === true || said === undefined ? {} : { prompt: said }
    }),
])

/** The sessions of this folder, newest first, out of the files that Claude keeps. No process, no call. */
export async function listSessions(
  cwd: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly SessionSummary[]> {
  const folders = new Set([cwd, await realpath(cwd).catch(() => cwd)].map((path) => folderOf(path, env)))
  const files = (await Promise.all([...folders].map(filesIn))).flat()
  const newest = files.toSorted((a, b) => b.updatedAt - a.updatedAt).slice(0, mostSessions)
  const sessions: SessionSummary[] = []
  for (const { id, path, size, updatedAt } of newest) {
    signal.throwIfAborted()
    const title = await titleOf(path, size)
    if (title !== undefined) sessions.push({ id, title, updatedAt })
  }
  return sessions
}

/** Claude writes every other character of the path as a dash. */
function folderOf(cwd: string, env: Readonly<Record<string, string>>): string {
  return join(claudeFolder(env), 'projects', cwd.replaceAll(/[^a-zA-Z0-9]/g, '-'))
}

async function filesIn(folder: string) {
  const names = await readdir(folder).catch(() => [])
  const found = await Promise.all(
    names.map(async (name) => {
      // A session is named by a UUID; the files of sub-agents are not.
      const [, id] = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl$/.exec(name) ?? []
      const path = join(folder, name)
      const facts = id === undefined ? undefined : await stat(path).catch(() => undefined)
      return id === undefined || facts === undefined
        ? []
        : [{ id, path, size: facts.size, updatedAt: facts.mtimeMs }]
    }),
  )
  return found.flat()
}

/** Undefined for a session in which nothing was said. */
async function titleOf(path: string, size: number): Promise<string | undefined> {
  try {
    await using file = await open(path)
    const read = async (from: number) => {
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(Math.min(windowBytes, size)),
        0,
        undefined,
        from,
      )
      return buffer.toString('utf8', 0, bytesRead).split('\n').flatMap(meaning)
    }
    const head = await read(0)
    const tail = size > windowBytes ? await read(size - windowBytes) : head
    const title = [...tail, ...head].findLast((each) => 'title' in each)
    const prompt = head.find((each) => 'prompt' in each) ?? tail.find((each) => 'prompt' in each)
    const words = title ?? prompt
    return words === undefined ? undefined : onOneLine(Object.values(words).join(''))
  } catch {
    // It was removed meanwhile, or is not ours to read.
    return undefined
  }
}

function meaning(text: string) {
  if (text === '') return []
  try {
    const parsed = line.safeParse(JSON.parse(text))
    return parsed.success ? [parsed.data] : []
  } catch {
    // The first or last line of what was read is cut.
    return []
  }
}

function onOneLine(text: string): string {
  const words = text.replaceAll(/\s+/g, ' ').trim()
  return words.length > titleLimit ? `${words.slice(0, titleLimit - 1)}…` : words
}
