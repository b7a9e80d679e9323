import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Limits } from './telegram-limits.fake.ts'
import { badRequest } from './telegram-refusal.fake.ts'

export type FileKind = 'photo' | 'document' | 'video' | 'audio' | 'voice' | 'animation' | 'video_note'

/** As refusals call them. */
export const plurals: Readonly<Record<FileKind, string>> = {
  photo: 'photos',
  document: 'documents',
  video: 'videos',
  audio: 'audios',
  voice: 'voice notes',
  animation: 'animations',
  video_note: 'video notes',
}

export interface StoredFile {
  readonly id: string
  readonly unique: string
  readonly kind: string
  readonly name: string
  readonly bytes: Uint8Array
}

/** A file as it came with its request. */
export class Upload {
  readonly name: string
  readonly bytes: Uint8Array

  constructor(name: string, bytes: Uint8Array) {
    this.name = name
    this.bytes = bytes
  }
}

/** The files that the network keeps, and the links to them that it has given. */
export class Files {
  readonly #limits: Limits
  readonly #now: () => number
  readonly #files = new Map<string, StoredFile>()
  readonly #links = new Map<string, { readonly file: StoredFile; readonly at: number }>()
  /** A server on the bot's own machine: it gives places in this folder, and knows no limits. */
  localFolder: string | undefined

  constructor(limits: Limits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  get unlimited(): boolean {
    return this.localFolder !== undefined
  }

  keep(kind: string, name: string, bytes: Uint8Array): StoredFile {
    const unique = createHash('sha256').update(bytes).update(name).digest('base64url').slice(0, 15)
    const id = `${kind}_${this.#files.size + 1}_${unique}`
    const file = { id, unique, kind, name, bytes }
    this.#files.set(id, file)
    return file
  }

  /** A file that is named by its id. Throws where there is none of this kind. */
  named(id: string, kind: string): StoredFile {
    const file = this.#files.get(id)
    if (file === undefined) throw badRequest('wrong file identifier/HTTP URL specified')
    if (file.kind !== kind) throw badRequest(`can't use file of type ${file.kind} as ${kind}`)
    return file
  }

  /** What `getFile` gives. */
  link(id: string): object {
    const file = this.#files.get(id)
    if (file === undefined) throw badRequest('wrong file_id or the file is temporarily unavailable')
    if (file.bytes.length > this.#limits.downloadBytes && !this.unlimited) throw badRequest('file is too big')
    const path = this.#place(file)
    return { file_id: id, file_unique_id: file.unique, file_size: file.bytes.length, file_path: path }
  }

  /** The bytes behind a link; undefined where there is none, or it is too old. */
  at(path: string): Uint8Array | undefined {
    const link = this.#links.get(path)
    return link !== undefined && this.#now() - link.at < this.#limits.fileLinkMs ? link.file.bytes : undefined
  }

  #place(file: StoredFile): string {
    if (this.localFolder !== undefined) {
      const place = join(this.localFolder, file.unique)
      writeFileSync(place, file.bytes)
      return place
    }
    const path = `${file.kind}s/file ${file.unique}`
    this.#links.set(path, { file, at: this.#now() })
    return path
  }
}
