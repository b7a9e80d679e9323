import { createWriteStream } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { join, parse } from 'node:path'
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
