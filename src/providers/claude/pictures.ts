import { open } from 'node:fs/promises'
import type { Attachment } from '../../core/message.ts'
import { pictureType } from '../picture-type.ts'

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
    const type = pictureType(bytes)
    if (type === undefined) return undefined
    return { type: 'image', source: { type: 'base64', media_type: type, data: bytes.toString('base64') } }
  } catch {
    // It is gone, or not ours to read; the prompt names it all the same.
    return undefined
  }
}
