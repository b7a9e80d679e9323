import { randomBytes } from 'node:crypto'
import { constants, createReadStream, type ReadStream } from 'node:fs'
import { open, rm, stat } from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'
import { z } from 'zod'
import type { Memory } from '../../core/transport.ts'
import { storeReceived } from '../received-files.ts'

/** As the page knows a file. */
const shownFile = z.object({
  id: z.string(),
  name: z.string(),
  mimeType: z.string(),
  /** Bytes. */
  size: z.number(),
})
export type ShownFile = z.infer<typeof shownFile>

const keptFile = shownFile.extend({
  /** Relative to the folder, so that a home can be moved. */
  path: z.string(),
  /** Milliseconds since 1970: uploaded then, and not part of a message yet. */
  waitingSince: z.number().exactOptional(),
})
type KeptFile = z.infer<typeof keptFile>

type Entries = Readonly<Record<string, string | null>>

const forgottenAfterMs = 7 * 24 * 3600_000

/** The files of this chat network: what the person sent, and copies of what the agent sent, as they were then. */
export class KeptFiles {
  readonly #folder: string
  readonly #memory: Memory
  readonly #maxBytes: number

  constructor(folder: string, memory: Memory, maxBytes: number) {
    this.#folder = folder
    this.#memory = memory
    this.#maxBytes = maxBytes
  }

  get maxBytes(): number {
    return this.#maxBytes
  }

  /** Takes an upload. It waits for its message. Throws `UserError` where it is too large. */
  async receive(name: string, mimeType: string, source: AsyncIterable<Uint8Array>): Promise<ShownFile> {
    const stored = await storeReceived(this.#folder, name, source, { maxBytes: this.#maxBytes })
    return await this.#remember(name, mimeType, stored, { waitingSince: Date.now() })
  }

  /** Keeps a copy of a file that is sent to the page. Throws the system's error where it cannot be read any more. */
  async copy(path: string, name: string, mimeType: string): Promise<ShownFile> {
    // Its path was resolved when it was named: what is a link now was put there since.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    const source = file.createReadStream()
    const stored = await storeReceived(this.#folder, name, source, { maxBytes: Number.POSITIVE_INFINITY })
    return await this.#remember(name, mimeType, stored, {})
  }

  /** Undefined: there is no such file (any more). */
  find(id: string): ShownFile | undefined {
    const file = this.#recall(id)
    return file === undefined ? undefined : shownFile.parse(file)
  }

  pathOf(id: string): string | undefined {
    const file = this.#recall(id)
    return file === undefined ? undefined : this.#absolute(file)
  }

  /** Undefined: it is not there any more. */
  async read(id: string): Promise<{ readonly file: ShownFile; readonly stream: ReadStream } | undefined> {
    const [file, path] = [this.find(id), this.pathOf(id)]
    if (file === undefined || path === undefined) return undefined
    const facts = await stat(path).catch(() => undefined)
    if (facts?.isFile() !== true) return undefined
    return { file: { ...file, size: facts.size }, stream: createReadStream(path) }
  }

  /** What has to be remembered when these files become part of a message. */
  sent(ids: readonly string[]): Entries {
    const files = ids.flatMap((id) => this.#recall(id) ?? [])
    return Object.fromEntries(files.map((file) => [`file:${file.id}`, JSON.stringify(withoutWaiting(file))]))
  }

  /** An upload that nobody wants to send any more. */
  async discard(id: string): Promise<void> {
    if (this.#recall(id)?.waitingSince !== undefined) await this.remove([id])
  }

  async remove(ids: readonly string[]): Promise<void> {
    const files = ids.flatMap((id) => this.#recall(id) ?? [])
    this.#memory.remember(Object.fromEntries(files.map(({ id }) => [`file:${id}`, null])))
    await Promise.all(files.map((file) => rm(this.#absolute(file), { force: true })))
  }

  /** Removes uploads that waited a week for a message. */
  async sweep(now: number): Promise<void> {
    const old = this.#memory
      .list('file:')
      .flatMap(([, value]) => parse(value) ?? [])
      .filter(({ waitingSince = now }) => now - waitingSince > forgottenAfterMs)
    await this.remove(old.map(({ id }) => id))
  }

  async #remember(
    name: string,
    mimeType: string,
    { path, size }: { readonly path: string; readonly size: number },
    more: Pick<KeptFile, 'waitingSince'>,
  ): Promise<ShownFile> {
    const shown = { id: randomBytes(18).toString('base64url'), name, mimeType, size }
    const file = { ...shown, ...more, path: relative(this.#folder, path) }
    try {
      this.#memory.remember({ [`file:${shown.id}`]: JSON.stringify(file) })
      return shown
    } catch (error) {
      await rm(path, { force: true })
      throw error
    }
  }

  #recall(id: string): KeptFile | undefined {
    const value = this.#memory.recall(`file:${id}`)
    return value === undefined ? undefined : parse(value)
  }

  #absolute({ path }: KeptFile): string {
    return isAbsolute(path) ? path : join(this.#folder, path)
  }
}

function withoutWaiting(file: KeptFile): KeptFile {
  const { waitingSince: _, ...rest } = file
  return rest
}

function parse(value: string): KeptFile | undefined {
  return keptFile.safeParse(JSON.parse(value)).data
}
