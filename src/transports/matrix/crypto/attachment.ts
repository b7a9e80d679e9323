import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'
import { z } from 'zod'

/**
 * Files of encrypted rooms: they lie encrypted on the homeserver, and the message holds their key.
 * https://spec.matrix.org/v1.16/client-server-api/#sending-encrypted-attachments
 */
export const encryptedFile = z.object({
  url: z.string(),
  key: z.object({ alg: z.literal('A256CTR'), k: z.string(), kty: z.literal('oct') }),
  iv: z.string(),
  hashes: z.object({ sha256: z.string() }),
  v: z.literal('v2').optional().catch(undefined),
})

export type EncryptedFile = z.infer<typeof encryptedFile>

/** All of the `file` of a message but its `url`. */
export interface FileKey {
  readonly v: 'v2'
  readonly key: {
    readonly alg: 'A256CTR'
    readonly ext: true
    readonly k: string
    readonly key_ops: readonly ['encrypt', 'decrypt']
    readonly kty: 'oct'
  }
  readonly iv: string
  readonly hashes: { readonly sha256: string }
}

/** Encrypts what goes through it, as it goes, under a key of its own. */
export class FileSealer extends Transform {
  readonly #key = randomBytes(32)
  /** The second half counts the blocks. */
  readonly #iv = Buffer.concat([randomBytes(8), Buffer.alloc(8)])
  readonly #cipher = createCipheriv('aes-256-ctr', this.#key, this.#iv)
  readonly #hash = createHash('sha256')
  #digest: Buffer | undefined

  /** What the message has to hold. Throws before the stream has ended. */
  get fileKey(): FileKey {
    if (this.#digest === undefined) throw new Error('the file is not encrypted to its end yet')
    const k = this.#key.toString('base64url')
    return {
      v: 'v2',
      key: { alg: 'A256CTR', ext: true, k, key_ops: ['encrypt', 'decrypt'], kty: 'oct' },
      iv: unpadded(this.#iv),
      hashes: { sha256: unpadded(this.#digest) },
    }
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const sealed = this.#cipher.update(chunk)
    this.#hash.update(sealed)
    done(null, sealed)
  }

  override _flush(done: TransformCallback): void {
    this.#digest = this.#hash.digest()
    done()
  }
}

/** What came is not the file that was sent. */
export class SpoiledFile extends Error {
  override readonly name = 'SpoiledFile'
}

/**
 * Decrypts what goes through it. Whether it is what was sent is known only at the end: nothing of it may be used before
 * the stream has ended without an error. Fails with `SpoiledFile`.
 */
export class FileOpener extends Transform {
  readonly #decipher: ReturnType<typeof createDecipheriv>
  readonly #hash = createHash('sha256')
  readonly #expected: Buffer

  /** Throws `SpoiledFile` for keys that are none. */
  constructor({ key, iv, hashes }: EncryptedFile) {
    super()
    const [bytes, start] = [Buffer.from(key.k, 'base64url'), Buffer.from(iv, 'base64')]
    if (bytes.length !== 32 || start.length !== 16) throw new SpoiledFile('the key of the file is no key')
    this.#decipher = createDecipheriv('aes-256-ctr', bytes, start)
    this.#expected = Buffer.from(hashes.sha256, 'base64')
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk)
    done(null, this.#decipher.update(chunk))
  }

  override _flush(done: TransformCallback): void {
    const same = this.#hash.digest().equals(this.#expected)
    done(same ? null : new SpoiledFile('the file is not what its message says'))
  }
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
