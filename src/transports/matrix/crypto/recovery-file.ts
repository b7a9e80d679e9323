import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Log } from '../../../core/define.ts'
import { writeFileAtomically } from '../../../lib/atomic-write.ts'
import { readRecoveryKey, writeRecoveryKey } from './recovery-key.ts'

/**
 * The recovery key of the bot's account: as it was configured, or as ductor wrote it to a file for its owner when it
 * made it. It opens what a new device of the bot needs, and is never logged.
 */
export class RecoveryKeys {
  readonly #path: string
  readonly #configured: string | undefined
  readonly #log: Log

  constructor(path: string, configured: string | undefined, log: Log) {
    this.#path = path
    this.#configured = configured
    this.#log = log
  }

  /** Was any key given, right or wrong? */
  get given(): boolean {
    return this.#configured !== undefined || existsSync(this.#path)
  }

  async all(): Promise<readonly Uint8Array[]> {
    const texts = [this.#configured, await this.#written()]
    return texts.flatMap((text) => (text === undefined ? [] : (readRecoveryKey(text) ?? [])))
  }

  /** The key for a new storage: the one that is there, or `fresh`, which is on the disk when this resolves. */
  async make(fresh: Uint8Array): Promise<Uint8Array> {
    const [known] = await this.all()
    if (known !== undefined) return known
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    await writeFileAtomically(this.#path, explained(writeRecoveryKey(fresh)), { mode: 0o600 })
    this.#log.warn(
      { file: this.#path },
      'the recovery key of the bot was written to a file: keep a copy elsewhere',
    )
    return fresh
  }

  async #written(): Promise<string | undefined> {
    try {
      const text = await readFile(this.#path, 'utf8')
      return text.split('\n').find((line) => line.trim() !== '' && !line.startsWith('#'))
    } catch {
      // None was made, or its owner has put it away.
      return undefined
    }
  }
}

function explained(key: string): string {
  return `# The recovery key of the bot's Matrix account. Who has it can read the bot's messages and speak as the bot.
# Keep a copy in a safe place. While it is here, a new log-in of the bot takes over its identity by itself;
# without it, set matrix.encryption.recovery_key when you are asked to.
${key}
`
}
