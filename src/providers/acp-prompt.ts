import type { ContentBlock } from '@agentclientprotocol/sdk'
import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import type { Attachment } from '../core/message.ts'
import type { Turn } from '../core/provider.ts'
import { pictureType } from './picture-type.ts'

/** Bytes. A larger picture is named, and the agent may open it. */
const pictureLimit = 8 * 1024 * 1024

/** The prompt as the protocol takes it. `fresh`: the session begins with it. */
export async function promptBlocks(
  { prompt, instructions, attachments }: Turn,
  { fresh, pictures }: { readonly fresh: boolean; readonly pictures: boolean },
): Promise<ContentBlock[]> {
  const begin: ContentBlock[] =
    fresh && instructions !== undefined && instructions !== '' ? [{ type: 'text', text: instructions }] : []
  const files = await Promise.all(attachments.map((each) => blockOf(each, pictures)))
  return [...begin, ...files.filter((block) => block !== undefined), { type: 'text', text: prompt }]
}

async function blockOf(attachment: Attachment, pictures: boolean): Promise<ContentBlock | undefined> {
  const { path, kind, name, mimeType, size } = attachment
  // Never fetched: there is nothing to show.
  if (path === undefined) return undefined
  if (pictures && (kind === 'picture' || kind === 'sticker' || mimeType.startsWith('image/'))) {
    const bytes = await readFile(path).catch(() => undefined)
    const type = bytes === undefined || bytes.length > pictureLimit ? undefined : pictureType(bytes)
    if (bytes !== undefined && type !== undefined)
      return { type: 'image', mimeType: type, data: bytes.toString('base64') }
  }
  const uri = pathToFileURL(path).href
  return { type: 'resource_link', uri, name, mimeType, ...(size === undefined ? {} : { size }) }
}
