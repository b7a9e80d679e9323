import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, realpath, rm } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative } from 'node:path'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import type { Memory } from '../../core/transport.ts'
import { removeEmptyDays, storeReceived } from '../received-files.ts'

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
  /** Relative to the folder of the copies, so that a home can be moved. */
  path: z.string(),
  /** Milliseconds since 1970: uploaded then, and not part of a message yet. */
  waitingSince: z.number().exactOptional(),
})
type KeptFile = z.infer<typeof keptFile>

type Entries = Readonly<Record<string, string | null>>

const forgottenAfterMs = 7 * 24 * 3600_000

/**
 * The files of this chat network: what the person sent, in the workspace for the agent to read, and copies of what the
 * agent sent, as they were then and out of its reach.
 */
export class KeptFiles {
  readonly #received: string
  readonly #copies: string
  readonly #memory: Memory
  readonly #maxBytes: number

  /** `home`: absolute. */
  constructor(home: string, memory: Memory, maxBytes: number) {
    this.#received = join(home, 'workspace', 'web_files')
    this.#copies = join(home, 'web_files')
    this.#memory = memory
    this.#maxBytes = maxBytes
  }

  get maxBytes(): number {
    return this.#maxBytes
  }

  /** Takes an upload. It waits for its message. Throws `UserError` where it is too large. */
  async receive(name: string, mimeType: string, source: AsyncIterable<Uint8Array>): Promise<ShownFile> {
    const stored = await storeReceived(this.#received, name, source, { maxBytes: this.#maxBytes })
    return await this.#remember(name, mimeType, stored, { waitingSince: Date.now() })
  }

  /** Keeps a copy of a file that is sent to the page. Throws the system's error where it cannot be read any more. */
  async copy(path: string, name: string, mimeType: string): Promise<ShownFile> {
    // Its path was resolved when it was named: what is a link now was put there since.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    const source = file.createReadStream()
    const stored = await storeReceived(this.#copies, name, source, { maxBytes: Number.POSITIVE_INFINITY })
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
  async read(id: string): Promise<{ readonly file: ShownFile; readonly stream: Readable } | undefined> {
    const [file, path] = [this.find(id), this.pathOf(id)]
    if (file === undefined || path === undefined) return undefined
    if (!(await this.#isOurs(path))) return undefined
    const opened = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined)
    if (opened === undefined) return undefined
    const facts = await opened.stat()
    if (facts.isFile()) return { file: { ...file, size: facts.size }, stream: opened.createReadStream() }
    await opened.close()
    return undefined
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
    for (const path of files.map((file) => this.#absolute(file)))
      if (await this.#isOurs(path)) await rm(path, { force: true })
  }

  /** Folders of days long past that hold nothing any more. */
  async tidy(before: number): Promise<void> {
    for (const folder of [this.#received, this.#copies]) await removeEmptyDays(folder, before)
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
    const file = { ...shown, ...more, path: relative(this.#copies, path) }
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

  /** False: the folder is gone, or somebody has put a link in its place, which leads elsewhere. */
  async #isOurs(path: string): Promise<boolean> {
    const day = dirname(path)
    const real = await realpath(day).catch(() => undefined)
    const home = await realpath(dirname(this.#copies)).catch(() => '')
    return real !== undefined && real === join(home, relative(dirname(this.#copies), day))
  }

  #absolute({ path }: KeptFile): string {
    return isAbsolute(path) ? path : join(this.#copies, path)
  }
}

function withoutWaiting(file: KeptFile): KeptFile {
  const { waitingSince: _, ...rest } = file
  return rest
}

function parse(value: string): KeptFile | undefined {
  return keptFile.safeParse(JSON.parse(value)).data
}
