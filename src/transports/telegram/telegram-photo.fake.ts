import { badRequest } from './telegram-refusal.fake.ts'

const longestSides = 10_000
const widest = 20

/** Throws for what is no picture, and for a PNG that is too large or too long to be shown as one. */
export function checkPhoto(bytes: Uint8Array): void {
  const all = Buffer.from(bytes)
  const head = all.subarray(0, 12).toString('latin1')
  const isPng = head.startsWith('\u0089PNG')
  if (!isPng && !head.startsWith('\u00ff\u00d8\u00ff') && !/^RIFF....WEBP/s.test(head)) {
    throw badRequest('IMAGE_PROCESS_FAILED')
  }
  // A picture that ends before its size is taken for one of a good size.
  if (!isPng || all.length < 24) return
  const sides = [all.readUInt32BE(16), all.readUInt32BE(20)]
  const [long, short] = [Math.max(...sides), Math.min(...sides)]
  if (short < 1 || long + short > longestSides || long > widest * short) {
    throw badRequest('PHOTO_INVALID_DIMENSIONS')
  }
}
