import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import type { AccountData } from './account-data.ts'
import * as wire from './wire.ts'

/**
 * Secrets that lie on the homeserver, encrypted with the recovery key.
 * https://spec.matrix.org/v1.16/client-server-api/#secret-storage
 */

const algorithm = 'm.secret_storage.v1.aes-hmac-sha2'

export interface SealedSecret {
  readonly iv: string
  readonly ciphertext: string
  readonly mac: string
}

export function sealSecret(key: Uint8Array, name: string, text: string, iv = freshIv()): SealedSecret {
  const { cipherKey, macKey } = keysFor(key, name)
  const cipher = createCipheriv('aes-256-ctr', cipherKey, iv)
  const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  const mac = createHmac('sha256', macKey).update(ciphertext).digest()
  return { iv: base64(iv), ciphertext: base64(ciphertext), mac: base64(mac) }
}

/** Undefined: it was sealed with another key, or changed since. */
export function openSecret(key: Uint8Array, name: string, sealed: SealedSecret): string | undefined {
  const { cipherKey, macKey } = keysFor(key, name)
  const ciphertext = Buffer.from(sealed.ciphertext, 'base64')
  const mac = createHmac('sha256', macKey).update(ciphertext).digest()
  const expected = Buffer.from(sealed.mac, 'base64')
  const iv = Buffer.from(sealed.iv, 'base64')
  if (iv.length !== 16 || expected.length !== mac.length || !timingSafeEqual(mac, expected)) return undefined
  const decipher = createDecipheriv('aes-256-ctr', cipherKey, iv)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('utf8')
}

/** The account's own storage, opened with one key. */
export class SecretStorage {
  readonly #data: AccountData
  readonly #key: Uint8Array
  readonly #keyId: string

  private constructor(data: AccountData, key: Uint8Array, keyId: string) {
    this.#data = data
    this.#key = key
    this.#keyId = keyId
  }

  /** Is there one? */
  static async exists(data: AccountData, signal: AbortSignal): Promise<boolean> {
    return (await data.get('m.secret_storage.default_key', wire.defaultKey, signal)) !== undefined
  }

  /** Undefined: the key is not the key of the account's storage, or there is none. */
  static async open(
    data: AccountData,
    key: Uint8Array,
    signal: AbortSignal,
  ): Promise<SecretStorage | undefined> {
    const id = (await data.get('m.secret_storage.default_key', wire.defaultKey, signal))?.key
    if (id === undefined) return undefined
    const description = await data.get(`m.secret_storage.key.${id}`, wire.keyDescription, signal)
    if (description?.algorithm !== algorithm) return undefined
    const { iv, mac } = description
    // Without a check value the secrets themselves say whether the key fits.
    if (iv !== undefined && mac !== undefined) {
      const check = sealSecret(key, '', zeros, Buffer.from(iv, 'base64'))
      if (check.mac !== mac.replace(/=+$/, '')) return undefined
    }
    return new SecretStorage(data, key, id)
  }

  /** Makes the account's storage. It becomes the one that counts with `publish`. */
  static async create(data: AccountData, key: Uint8Array, signal: AbortSignal): Promise<SecretStorage> {
    const id = randomBytes(16).toString('hex')
    const { iv, mac } = sealSecret(key, '', zeros)
    await data.set(`m.secret_storage.key.${id}`, { algorithm, iv, mac }, signal)
    return new SecretStorage(data, key, id)
  }

  async publish(signal: AbortSignal): Promise<void> {
    await this.#data.set('m.secret_storage.default_key', { key: this.#keyId }, signal)
  }

  async get(name: string, signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#data.get(name, wire.secret, signal)
    const sealed = wire.sealedSecret.safeParse(found?.encrypted[this.#keyId]).data
    return sealed === undefined ? undefined : openSecret(this.#key, name, sealed)
  }

  async put(name: string, text: string, signal: AbortSignal): Promise<void> {
    await this.#data.set(name, { encrypted: { [this.#keyId]: sealSecret(this.#key, name, text) } }, signal)
  }
}

const zeros = '\0'.repeat(32)

function keysFor(key: Uint8Array, name: string): { readonly cipherKey: Buffer; readonly macKey: Buffer } {
  const both = Buffer.from(hkdfSync('sha256', key, Buffer.alloc(8), name, 64))
  return { cipherKey: both.subarray(0, 32), macKey: both.subarray(32) }
}

/** Some implementations of CTR count in 64 bits: bit 63 stays clear, so that theirs and ours never differ. */
function freshIv(): Buffer {
  const iv = randomBytes(16)
  iv.writeUInt8(iv.readUInt8(8) & 0x7f, 8)
  return iv
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}
