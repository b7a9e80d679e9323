import { open } from 'node:fs/promises'
import type { Attachment } from '../../core/message.ts'

/** Bytes: the API takes 5 MB of base64 for one picture. */
const largest = 3_750_000
/** With more pictures than that, the API takes only small ones. */
const most = 20

export interface PictureBlock {
  readonly type: 'image'
  readonly source: { readonly type: 'base64'; readonly media_type: string; readonly data: string }
}

/** The pictures that Claude can see. The prompt names all files by their paths: what is left out here is not lost. */
export async function pictureBlocks(attachments: readonly Attachment[]): Promise<readonly PictureBlock[]> {
  const paths = attachments.flatMap(({ kind, path }) =>
    (kind === 'picture' || kind === 'sticker') && path !== undefined ? [path] : [],
  )
  const blocks: PictureBlock[] = []
  for (const path of paths.slice(0, most)) {
    const block = await blockOf(path)
    if (block !== undefined) blocks.push(block)
  }
  return blocks
}

async function blockOf(path: string): Promise<PictureBlock | undefined> {
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    if (size > largest) return undefined
    const bytes = await file.readFile()
    const type = typeOf(bytes)
    if (type === undefined) return undefined
    return { type: 'image', source: { type: 'base64', media_type: type, data: bytes.toString('base64') } }
  } catch {
    // It is gone, or not ours to read; the prompt names it all the same.
    return undefined
  }
}

/** By its first bytes: the API refuses a picture that is called by the wrong type, and the whole prompt with it. */
function typeOf(bytes: Buffer): string | undefined {
  const begins = (text: string, at = 0) => bytes.toString('latin1', at, at + text.length) === text
  if (begins('\u0089PNG\r\n\u001a\n')) return 'image/png'
  if (begins('\u00ff\u00d8\u00ff')) return 'image/jpeg'
  if (begins('GIF87a') || begins('GIF89a')) return 'image/gif'
  if (begins('RIFF') && begins('WEBP', 8)) return 'image/webp'
  return undefined
}
