import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'

/** A picture with so much in it that its file is large. */
export async function picture(
  format: 'jpeg' | 'png' | 'webp',
  { width = 2000, height = 1500, alpha = false, orientation = 1 } = {},
): Promise<Buffer<ArrayBuffer>> {
  const channels = alpha ? 4 : 3
  const pixels = Buffer.alloc(width * height * channels)
  for (let index = 0, chance = 1; index < pixels.length; index++) {
    chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0
    pixels[index] = (index >> 12) + (chance >>> 26)
  }
  const raw = sharp(pixels, { raw: { width, height, channels } })
  const options = format === 'png' ? {} : { quality: 60 }
  return Buffer.from(await raw.withMetadata({ orientation }).toFormat(format, options).toBuffer())
}

/** A PNG of a few kilobytes that would need a hundred times a hundred thousand kilobytes as pixels. */
export function pictureBomb(side: number): Buffer<ArrayBuffer> {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  // One bit a pixel, grey.
  header[8] = 1
  const lines = deflateSync(Buffer.alloc((1 + Math.ceil(side / 8)) * side), { level: 9 })
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  const comment = Buffer.concat([Buffer.from('Comment\0'), Buffer.alloc(110_000, 'x')])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('tEXt', comment),
    chunk('IDAT', lines),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
