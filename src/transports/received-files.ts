import { createWriteStream } from 'node:fs'
import { lstat, mkdir, open, readdir, realpath, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, parse } from 'node:path'
import { pipeline } from 'node:stream/promises'
import filenamify from 'filenamify'
import { UserError } from '../core/user-error.ts'

const longestName = 60
const mostNamesakes = 1000

/**
 * Stores what a person sent as `FOLDER/YYYY-MM-DD/NAME` (UTC), for the owner alone. `name` is made safe; a file that is
 * there keeps its name, and the new one gets a number. Resolves with the absolute path and the size in bytes when the
 * disk has it. Throws `UserError` where it is larger than `maxBytes`, and the system's error where the disk does not
 * take it; then nothing is left behind.
 */
export async function storeReceived(
  folder: string,
  name: string,
  source: AsyncIterable<Uint8Array>,
  { maxBytes, now = Date.now() }: { readonly maxBytes: number; readonly now?: number },
): Promise<{ readonly path: string; readonly size: number }> {
  const day = join(folder, new Date(now).toISOString().slice(0, 10))
  await mkdir(day, { recursive: true, mode: 0o700 })
  const path = await claim(day, safeName(name))
  try {
    const size = await write(path, source, maxBytes)
    return { path, size }
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

const dayMs = 24 * 3600_000

/**
 * Removes what was stored there on days that had ended `before` (milliseconds since 1970) and was not changed since.
 * Nothing else: what somebody put beside it stays, and no link is followed.
 */
export async function removeReceived(folder: string, before: number): Promise<void> {
  for (const day of await daysIn(folder)) {
    const path = join(folder, day)
    if (Date.parse(day) + dayMs > before || (await isElsewhere(path))) continue
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (!entry.isFile()) continue
      const file = join(path, entry.name)
      const { mtimeMs } = await lstat(file)
      if (mtimeMs < before) await rm(file, { force: true })
    }
    await removeIfEmpty(path)
  }
}

/** Removes the folders of days that had ended `before` and hold nothing any more. */
export async function removeEmptyDays(folder: string, before: number): Promise<void> {
  for (const day of await daysIn(folder)) {
    if (Date.parse(day) + dayMs <= before) await removeIfEmpty(join(folder, day))
  }
}

async function daysIn(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory() && /^\d{4}-\d\d-\d\d$/.test(entry.name))
      .map(({ name }) => name)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** Does a link on the way to it, below the folder that it is in, lead somewhere else? */
async function isElsewhere(path: string): Promise<boolean> {
  const parent = dirname(path)
  const there = join(await realpath(dirname(parent)), basename(parent), basename(path))
  return (await realpath(path)) !== there
}

async function removeIfEmpty(path: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error
  }
}

/** A name that is one on every system and hides nothing: no separators, no control or direction characters. */
export function safeName(name: string): string {
  const plain = name.normalize('NFC').replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '')
  const safe = filenamify(plain, { replacement: '_', maxLength: longestName }).replace(/^\.+/, '')
  return /[\p{L}\p{N}\p{S}]/u.test(safe) ? safe : 'file'
}

/** Makes the empty file under a name that nobody has. */
async function claim(day: string, name: string): Promise<string> {
  const { name: stem, ext } = parse(name)
  for (let n = 1; ; n += 1) {
    const path = join(day, n === 1 ? name : `${stem}-${n}${ext}`)
    try {
      await (await open(path, 'wx', 0o600)).close()
      return path
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EEXIST'
      if (!taken || n === mostNamesakes) throw error
    }
  }
}

async function write(path: string, source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<number> {
  let size = 0
  await pipeline(
    source,
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        size += chunk.length
        if (size > maxBytes) throw new UserError(tooLarge(maxBytes))
        yield chunk
      }
    },
    createWriteStream(path, { flush: true }),
  )
  return size
}

/** For a person. */
export function tooLarge(maxBytes: number): string {
  return `The file is too large: at most ${Math.floor(maxBytes / 1024 / 1024)} MB are taken here.`
}
