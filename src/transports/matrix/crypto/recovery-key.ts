/**
 * A recovery key as people write it: base58 in groups of four.
 * https://spec.matrix.org/v1.16/client-server-api/#recovery-key
 */

const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const prefix = [0x8b, 0x01]
const keyLength = 32

export function writeRecoveryKey(key: Uint8Array): string {
  const bytes = [...prefix, ...key]
  const text = base58([...bytes, parity(bytes)])
  return text.replaceAll(/(.{4})(?=.)/g, '$1 ')
}

/** Undefined: that is no recovery key. */
export function readRecoveryKey(text: string): Uint8Array | undefined {
  const bytes = fromBase58(text.replaceAll(/\s/g, ''))
  if (bytes?.length !== prefix.length + keyLength + 1) return undefined
  if (bytes[0] !== prefix[0] || bytes[1] !== prefix[1] || parity(bytes) !== 0) return undefined
  return Uint8Array.from(bytes.slice(prefix.length, prefix.length + keyLength))
}

function parity(bytes: readonly number[]): number {
  return bytes.reduce((sum, byte) => sum ^ byte, 0)
}

function base58(bytes: readonly number[]): string {
  let rest = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (; rest > 0n; rest /= 58n) text = alphabet.charAt(Number(rest % 58n)) + text
  return text
}

function fromBase58(text: string): readonly number[] | undefined {
  // Longer ones are no keys, and would take long.
  if (text.length === 0 || text.length > 100) return undefined
  let value = 0n
  for (const letter of text) {
    const digit = alphabet.indexOf(letter)
    if (digit === -1) return undefined
    value = value * 58n + BigInt(digit)
  }
  const hex = value.toString(16)
  return [...Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')]
}
