import type * as Library from '@matrix-org/matrix-sdk-crypto-wasm'
import { z } from 'zod'
import { FatalError } from '../../../core/transport.ts'
import { importExtra, MissingExtra } from '../../../lib/import-extra.ts'

/** The official cryptography of Matrix. */
const name = '@matrix-org/matrix-sdk-crypto-wasm'

/** Exactly this one: what it keeps is read by the version that wrote it, and by later ones that were tried. */
export const needs = { [name]: '18.9.0' }

export type CryptoLibrary = typeof Library

const shape = z.custom<CryptoLibrary>(
  (value) => typeof value === 'object' && value !== null && 'OlmMachine' in value && 'initAsync' in value,
)

/** Loads it, once in a process. Throws `FatalError` where it is not installed. */
export async function loadCrypto(home: string): Promise<CryptoLibrary> {
  const library = shape.parse(required(home))
  await library.initAsync()
  return library
}

function required(home: string): unknown {
  try {
    return importExtra(home, name)
  } catch (error) {
    if (error instanceof MissingExtra) throw new FatalError(missing, { cause: error })
    throw error
  }
}

const missing = `Matrix needs the library ${name}, which is not installed. Run: ductor install matrix`
