import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream, openAsBlob } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { UserError } from '../../../core/user-error.ts'
import type { OpenFile } from '../files-in.ts'
import type { SealFile } from '../files-out.ts'
import { encryptedFile, FileOpener, FileSealer, SpoiledFile } from './attachment.ts'

/** Encrypts files on their way out, in a folder beside the keys where each stays until it is uploaded. */
export function fileSealer(folder: string): SealFile {
  return async (path, signal) => {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const draft = join(folder, randomBytes(9).toString('base64url'))
    const done = () => rm(draft, { force: true })
    try {
      const sealer = new FileSealer()
      await pipeline(createReadStream(path), sealer, createWriteStream(draft, { mode: 0o600 }), { signal })
      const blob = await openAsBlob(draft, { type: 'application/octet-stream' })
      return { blob, file: { ...sealer.fileKey }, done }
    } catch (error) {
      await done()
      throw error
    }
  }
}

/** What a run that was killed has left there is of no use to anybody. */
export async function sweep(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}

/** Decrypts a file on its way in. Throws `UserError` where the message holds no key for it. */
export const openFile: OpenFile = (file) => {
  const parsed = encryptedFile.safeParse(file).data
  if (parsed === undefined) throw new UserError('The file is encrypted in a way that cannot be read here.')
  try {
    return new FileOpener(parsed)
  } catch (error) {
    if (!(error instanceof SpoiledFile)) throw error
    throw new UserError('The file is encrypted, and its key is damaged.', { cause: error })
  }
}
