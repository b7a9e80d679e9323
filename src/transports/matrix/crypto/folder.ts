import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, readdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FatalError } from '../../../core/transport.ts'
import { writeFileAtomically } from '../../../lib/atomic-write.ts'

const keyFile = 'store.key'
const databaseFile = 'matrix-sdk-crypto.sqlite'

/** The folder that holds the encryption keys of one device, themselves encrypted with the key that lies beside them. */
export class CryptoFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** How the library calls what lies here: a name that no other folder has. */
  get store(): string {
    return createHash('sha256').update(this.path).digest('hex')
  }

  get database(): string {
    return `${this.store}::matrix-sdk-crypto`
  }

  /** Are there keys of a device in it? */
  get exists(): boolean {
    return existsSync(join(this.path, databaseFile))
  }

  /** The key of the store: 32 bytes. Made with the store; throws `FatalError` where the store is there without it. */
  async key(): Promise<Uint8Array> {
    await mkdir(this.path, { recursive: true, mode: 0o700 })
    await chmod(this.path, 0o700)
    const path = join(this.path, keyFile)
    if (existsSync(path)) {
      const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'base64')
      if (key.length === 32) return key
    } else if (!this.exists) {
      const key = randomBytes(32)
      await writeFileAtomically(path, `${key.toString('base64')}\n`, { mode: 0o600 })
      return key
    }
    throw new FatalError(
      `The encryption keys of the bot cannot be opened: ${path} is missing or damaged. Put it back from where it was; or rename the folder ${this.path} and credentials.json beside it, and set matrix.password: then ductor logs in as a new device.`,
    )
  }

  /** Puts the keys of another device aside, where nobody uses them any more. Resolves with where they are. */
  async archive(device: string): Promise<string> {
    const safe = device.replaceAll(/[^\w-]/g, '_').slice(0, 60)
    const base = join(dirname(this.path), `crypto-old-${safe}`)
    const taken = new Set(await readdir(dirname(this.path)))
    let path = base
    for (let n = 2; taken.has(path.slice(dirname(path).length + 1)); n++) path = `${base}-${n}`
    await rename(this.path, path)
    return path
  }
}
