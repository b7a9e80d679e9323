import { createHash } from 'node:crypto'

/** The same key gives the same transaction id, in letters that pass every proxy: the homeserver drops the double. */
export function transactionId(key: string): string {
  return `ductor-${createHash('sha256').update(key).digest('base64url')}`
}
