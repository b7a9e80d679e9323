import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

export interface RollingFileOptions {
  readonly path: string
  /** Bytes after which a new file is begun. */
  readonly maxBytes: number
  /** How many older files are kept, as `path.1` (the newest) and so on. */
  readonly keep: number
}

/**
 * A file for lines that begins anew when it is full. Each line is with the system when `write` returns, so that the
 * last words of a process that crashes are there to be read. A disk that takes nothing costs lines and nothing else.
 */
export class RollingFile {
  readonly #options: RollingFileOptions
  #file: number
  #size: number

  /** Throws where the file cannot be made. */
  constructor(options: RollingFileOptions) {
    this.#options = options
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 })
    this.#file = this.#open()
    this.#size = fstatSync(this.#file).size
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#options.maxBytes) this.#roll()
      this.#size += bytes.length
      writeSync(this.#file, bytes)
    } catch {
      // There is nowhere left to say it, and nobody's message may be lost because a log cannot be written.
    }
  }

  close(): void {
    closeSync(this.#file)
  }

  #open(): number {
    return openSync(this.#options.path, 'a', 0o600)
  }

  #roll(): void {
    const { path, keep } = this.#options
    for (let age = keep; age >= 1; age -= 1)
      moveIfThere(age === 1 ? path : `${path}.${age - 1}`, `${path}.${age}`)
    const full = this.#file
    this.#file = this.#open()
    this.#size = fstatSync(this.#file).size
    closeSync(full)
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}
