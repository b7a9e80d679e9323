import { randomBytes } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Log } from '../../core/define.ts'
import { runCommand } from '../../lib/run-command.ts'

const library = 'sharp'

/** What it makes them with. Loaded by nobody but the program of `thumbnail-program.ts`. */
export const likes = { [library]: { range: '^0.35.5', without: 'pictures go without thumbnails' } }

/** In the folder of the log-in: what is on its way out, and swept at each start. */
export const uploadsFolder = 'uploads'

/** A picture of a picture, in a file that goes when it is `done`. */
export interface Thumbnail {
  readonly path: string
  readonly mimeType: string
  readonly size: number
  /** In pixels. */
  readonly width: number
  readonly height: number
  done(): Promise<void>
}

/** What the program of `thumbnail-program.ts` prints. */
export const made = z.union([
  z.object({ mimeType: z.string(), width: z.number(), height: z.number() }),
  z.object({ failed: z.string() }),
  z.object({ missing: z.literal(true) }),
])

const program = fileURLToPath(new URL(`./thumbnail-program${extname(import.meta.url)}`, import.meta.url))

/** A smaller file is shown as fast as its thumbnail. */
const smallBytes = 100 * 1024
/** Larger ones take their time in the clients, not in ours. */
const largestBytes = 100 * 1024 * 1024
const timeoutMs = 20_000

/** Makes thumbnails, one at a time, where there is a library for it. */
export class Thumbnails {
  readonly #home: string
  readonly #folder: string
  readonly #log: Log
  #last: Promise<unknown> = Promise.resolve()
  #cannot = false

  /** `home`: where libraries beyond the base install lie; `folder`: for the files until they are done. Both absolute. */
  constructor({ home, folder, log }: { readonly home: string; readonly folder: string; readonly log: Log }) {
    this.#home = home
    this.#folder = folder
    this.#log = log
  }

  /** Undefined where the picture needs none, or where none can be made: a thumbnail is never worth a failure. */
  async of(path: string, signal: AbortSignal): Promise<Thumbnail | undefined> {
    const { size } = await stat(path)
    if (this.#cannot || size < smallBytes || size > largestBytes) return undefined
    const making = this.#last.then(() => this.#make(path, size, signal))
    this.#last = making.catch(() => {
      // Whoever wanted it sees it.
    })
    return making
  }

  async #make(path: string, originalSize: number, signal: AbortSignal): Promise<Thumbnail | undefined> {
    const target = join(this.#folder, randomBytes(9).toString('base64url'))
    const done = () => rm(target, { force: true })
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      const command = [process.execPath, program, this.#home, path, target] as const
      const result = made.parse(JSON.parse(await runCommand(command, { timeoutMs, signal })))
      if ('missing' in result) {
        this.#cannot = true
        this.#log.info({ library }, 'pictures go without thumbnails')
        return undefined
      }
      if ('failed' in result) throw new Error(result.failed)
      const { size } = await stat(target)
      if (size <= originalSize / 2) return { path: target, size, ...result, done }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#log.info({ reason }, 'a picture goes without a thumbnail')
    }
    await done()
    return undefined
  }
}
